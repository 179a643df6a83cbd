//! The client against the sandbox, where only both together show it.

use std::{io::Cursor, time::Duration};

use mcp_openai::{
    media::{Content, Dimensions, Format, Reference},
    model::ModelId,
    news::{News, Stage},
    openai::{self, EditTransfer, OpenAi, PictureRequest, Terms},
};
use openai_sandbox::{Config, Pace, Sandbox};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::openai as openai_tests;

/// A PNG that is red on its left half and see-through, or black, on its right.
fn half_red(width: u32, height: u32, alpha: u8) -> Vec<u8> {
    let pixels = image::RgbaImage::from_fn(width, height, |x, _| {
        image::Rgba(if x < width / 2 { [255, 0, 0, 255] } else { [0, 0, 0, alpha] })
    });
    let mut file = Cursor::new(Vec::new());
    pixels.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

#[tokio::test]
async fn the_client_edits_both_ways() {
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let config = Config { bind: ([127, 0, 0, 1], 0).into(), pace: Pace::Instant };
    let sandbox = Sandbox::start(config, &TaskTracker::new(), stop).await.unwrap();
    let reference = |name: &str, bytes: Vec<u8>| Reference {
        name: name.to_owned(),
        format: Format::Png,
        dimensions: Dimensions { width: 64, height: 64 },
        content: Content::Memory(bytes.into()),
    };
    for edit_transfer in [EditTransfer::Multipart, EditTransfer::Json] {
        let base_url = sandbox.base_url().parse().unwrap();
        // An unoptimised painter takes its time.
        let first_byte_timeout_image = Duration::from_secs(30);
        let config = openai_tests::config_at(base_url);
        let config = openai::Config { edit_transfer, partial_images: 2, first_byte_timeout_image, ..config };
        let client = OpenAi::build(config);
        let request = PictureRequest {
            references: vec![reference("a.png", half_red(64, 64, 255)), reference("b.png", half_red(64, 64, 255))],
            mask: Some(reference("mask.png", half_red(64, 64, 0))),
            model: ModelId::parse("gpt-image-2").unwrap(),
            size: Some("1024x640".to_owned()),
            moderation: Some("low".to_owned()),
            ..openai_tests::picture("a hill by the sea")
        };
        let (news, feed) = News::channel();
        let painted = client.paint(&request, &Terms { news, ..openai_tests::terms() }).await.unwrap();
        assert_eq!(painted.meta.attempts, 1);
        assert_eq!(painted.value.left_out, Vec::<String>::new());
        assert_eq!(painted.value.encoded.dimensions(), Dimensions { width: 1024, height: 640 });
        assert!(painted.meta.metered.usage.unwrap().image_input_tokens > 0);
        assert_eq!(feed.take().stage, Some(Stage::Sketched { index: 2, of: 2 }));
    }
}
