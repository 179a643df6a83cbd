//! Commands on pictures that are kept in a bucket.

use std::fs;

use super::{environment, start};
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
