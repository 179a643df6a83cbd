//! Connections by peer: one address must not take all of them.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Connections of one address at once: half of all, since many may come through one proxy.
const MOST_OF_ONE: usize = super::MAX_CONNECTIONS / 2;

/// Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection, until it is dropped.
#[derive(Debug)]
pub(super) struct PeerConnection {
    peers: Peers,
    address: IpAddr,
}

impl Peers {
    /// `None` where the address has as many as it may.
    pub(super) fn connect(&self, address: IpAddr) -> Option<PeerConnection> {
        let mut peers = self.peers();
        let own = peers.entry(address).or_default();
        if *own >= MOST_OF_ONE {
            return None;
        }
        *own += 1;
        drop(peers);
        Some(PeerConnection { peers: self.clone(), address })
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PeerConnection {
    fn drop(&mut self) {
        let mut peers = self.peers.peers();
        match peers.get_mut(&self.address) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(peers.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h04_one_address_leaves_connections_for_others() {
        let peers = Peers::default();
        let [flood, other] = [1, 2].map(|last| IpAddr::from([127, 0, 0, last]));
        let mut all: Vec<_> = (0..2_000).filter_map(|_| peers.connect(flood)).collect();
        assert_eq!(all.len(), MOST_OF_ONE);
        assert!(peers.connect(other).is_some());
        all.pop();
        assert!(peers.connect(flood).is_some() && peers.connect(flood).is_some(), "each is given back");
    }
}
