//! Commands on pictures that are kept in a bucket, and calls that keep one while the server uploads others.

use std::fs;

use mcp_openai::handle::Owner;

use super::{
    environment, gallery, keep,
    server::{S3Server, Trouble},
    spool, start, until,
};
use crate::{cli, create_image::picture};

#[tokio::test]
async fn a_command_writes_a_picture_of_the_bucket_where_it_is_wanted() {
    let (server, upstream, here) = start().await;
    let environment = environment(&server, &upstream.uri(), here.path());
    let wanted = here.path().join("fox.png");
    for output in [wanted.to_str().unwrap(), "-"] {
        let mut command = tokio::process::Command::from(cli::mcp_openai(&["image", "a red fox", "-o", output]));
        let output = command.envs(environment.clone()).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        let written = fs::read(&wanted).unwrap_or(output.stdout);
        assert_eq!(written, picture(64));
        let _ = fs::remove_file(&wanted);
    }
    assert_eq!(server.objects("team").len(), 2);
}

#[tokio::test]
async fn p03_a_picture_whose_record_is_being_written_is_left_to_its_call() {
    let (server, here) = (S3Server::start().await, tempfile::tempdir().unwrap());
    let gallery = gallery(&server, here.path());
    server.has(Trouble::Status(503));
    let being_kept = keep(&gallery).await;
    // As between the two writes of its call.
    let record = here.path().join(format!("state/pictures/.records/{}.json", being_kept.id));
    fs::remove_file(record).unwrap();
    let next = keep(&gallery).await;
    server.has(Trouble::None);
    tokio::select! {
        () = gallery.tend_bucket() => {}
        () = until(|| spool(here.path()) == [being_kept.id.to_string()]) => {}
    }
    assert_eq!(server.objects("team"), [next.id.to_string()]);
}

#[tokio::test]
async fn p03_a_spool_that_cannot_be_read_holds_up_no_other() {
    let (server, here) = (S3Server::start().await, tempfile::tempdir().unwrap());
    let gallery = gallery(&server, here.path());
    server.has(Trouble::Status(503));
    let waiting = keep(&gallery.of(&Owner::caller("alice"))).await;
    for number in 0..20 {
        fs::write(here.path().join(format!("state/pictures/callers/{number}")), "no folder").unwrap();
    }
    server.has(Trouble::None);
    tokio::select! {
        () = gallery.tend_bucket() => {}
        () = until(|| server.objects("team/callers/alice") == [waiting.id.to_string()]) => {}
    }
}
