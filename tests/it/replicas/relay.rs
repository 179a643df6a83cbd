//! A wire between one replica and its database, which can be cut in either direction, or slowed, or lose an answer.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

use crate::store::cluster::Cluster;

/// The state of one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WireState {
    /// Each packet comes so much later.
    Slowed(Duration),
    /// Nothing gets through, not even an end. As a network would, it delivers what was sent once it is whole again.
    Cut,
    /// The next packet is lost with its connection; all that comes after it gets through.
    Losing,
}

pub const WHOLE: WireState = WireState::Slowed(Duration::ZERO);

pub struct Relay {
    address: SocketAddr,
    there: watch::Sender<WireState>,
    back: watch::Sender<WireState>,
    _task: JoinSet<()>,
}

impl Relay {
    pub async fn before(cluster: &Cluster) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, port) = (listener.local_addr().unwrap(), cluster.port());
        let (there, back) = (watch::Sender::new(WHOLE), watch::Sender::new(WHOLE));
        let (ways, mut task) = ((there.clone(), back.clone()), JoinSet::new());
        task.spawn(async move {
            let mut pumps = JoinSet::new();
            while let Ok((replica, _)) = listener.accept().await {
                // A database that is gone closes what comes.
                let Ok(database) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { continue };
                let ((from_replica, to_replica), (from_database, to_database)) =
                    (replica.into_split(), database.into_split());
                pumps.spawn(pump(from_replica, to_database, ways.0.clone()));
                pumps.spawn(pump(from_database, to_replica, ways.1.clone()));
            }
        });
        Self { address, there, back, _task: task }
    }

    /// The URL by which the database is reached through it.
    pub fn url(&self, store: &str, cluster: &Cluster) -> String {
        store.replace(&format!(":{}/", cluster.port()), &format!(":{}/", self.address.port()))
    }

    pub fn set(&self, there: WireState, back: WireState) {
        self.there.send_replace(there);
        self.back.send_replace(back);
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, sets: watch::Sender<WireState>) {
    let (mut packet, mut way) = (vec![0; 1 << 16], sets.subscribe());
    loop {
        // A reset ends it, too.
        let read = from.read(&mut packet).await.unwrap_or(0);
        let Ok(now) = way.wait_for(|way| *way != WireState::Cut).await.map(|way| *way) else { return };
        let is_lost = sets.send_if_modified(|way| {
            let is_losing = *way == WireState::Losing;
            if is_losing {
                *way = WHOLE;
            }
            is_losing
        });
        if is_lost {
            return;
        }
        if let WireState::Slowed(later) = now
            && later > Duration::ZERO
        {
            tokio::time::sleep(later).await;
        }
        if read == 0 || to.write_all(&packet[..read]).await.is_err() {
            // Dropped, the other side sees the end.
            return;
        }
    }
}
