//! Pictures that one server keeps in a bucket, as clients of another one hear of them.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::timeout;

use super::PATIENCE;
use crate::{
    buckets::server::S3Server,
    create_image::{generated, painting, picture},
    session::{self, Session},
    store::remote::shared,
};

#[tokio::test]
async fn a_picture_of_one_server_is_announced_by_another_that_shares_its_bucket() {
    let test = "a_picture_of_one_server_is_announced_by_another_that_shares_its_bucket";
    let Some(cluster) = shared(test) else { return };
    let (bucket, upstream) = (S3Server::start().await, painting(generated(&picture(64))).await);
    let store = vec![("MCP_OPENAI_STORE_URL", cluster.new_place())];
    let environment = [session::upstream(&upstream.uri()), bucket.environment(), store].concat();
    let mut paints = Session::start(environment.clone()).await;
    let mut waits = Session::start(environment).await;
    let since = Instant::now();
    loop {
        paints.call("create-image", json!({ "prompt": "a red fox" })).await;
        // Its connection to the database may be on its way, and then it hears of the next one.
        if let Ok(told) = timeout(Duration::from_secs(3), waits.next()).await {
            assert_eq!(told["method"], "notifications/resources/list_changed", "{told}");
            return;
        }
        assert!(since.elapsed() < PATIENCE, "nobody is told");
    }
}
