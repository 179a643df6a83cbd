//! What each client gets: never more than it takes, and in the form that it shows.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use image::ImageFormat;
use mcp_openai::{
    media::Encoded,
    server::{
        Server,
        profile::{Config, KNOWN, Mode, Override, Patience, Preview, Profile, Profiles, Structured, UNKNOWN},
    },
};
use serde_json::{Value, json};

use crate::{
    painting::{encode, paint},
    peer::{Peer, modern},
};

pub mod album;

use album::{Image, Page, kept, server};

const LEGACY: &str = "2025-11-25";

/// The answer to a call of the album, as it came.
async fn line_of(peer: &mut Peer, era: Era, client: &str, page: usize) -> String {
    let params = json!({"name": "album", "arguments": {"page": page}});
    peer.request(7, "tools/call", era.params(client, params)).await;
    peer.next_line().await.unwrap()
}

async fn answer_of(server: Server, client: &str, page: usize) -> Value {
    let mut peer = Peer::introduced(server, LEGACY, client).await;
    serde_json::from_str::<Value>(&line_of(&mut peer, Era::Legacy, client, page).await).unwrap()["result"].take()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Era {
    Legacy,
    Modern,
}

impl Era {
    async fn connect(self, server: Server, client: &str) -> Peer {
        match self {
            Self::Legacy => Peer::introduced(server, LEGACY, client).await,
            Self::Modern => Peer::connect(server),
        }
    }

    fn params(self, client: &str, params: Value) -> Value {
        if self == Self::Legacy {
            return params;
        }
        let mut params = modern(params);
        params["_meta"]["io.modelcontextprotocol/clientInfo"]["name"] = client.into();
        params
    }
}

/// A photograph-like picture, at the quality of a preview.
fn photo(width: u32, height: u32) -> Encoded {
    encode(paint(width, height), ImageFormat::Jpeg)
}

/// Numbers that look like chance and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn text(&mut self, most: usize) -> String {
        const WORDS: [&str; 6] = ["word ", "\"quoted\" ", "a\\b\n", "naïve ", "🖌️ ", "\u{1}"];
        let length = self.below(most + 1);
        let mut text = String::new();
        while text.len() < length {
            text.push_str(WORDS[self.below(WORDS.len())]);
        }
        text
    }
}

/// Up to ten pictures of many sizes with texts from short to far too long.
async fn pages(dice: &mut Dice, count: usize) -> Vec<Page> {
    let sizes = [(40, 30), (16, 700), (320, 240), (640, 480), (800, 600), (1400, 200)];
    let photos: Vec<_> = sizes.map(|(width, height)| photo(width, height)).into();
    let artifact = kept(&dice.text(2_000)).await;
    let mut pages = Vec::new();
    for page in 0..count {
        let n = page % 10 + 1;
        let long = [100, 5_000, 60_000][dice.below(3)];
        pages.push(Page {
            status: "complete".into(),
            images: (0..n).map(|_| Image { path: dice.text(60), revised_prompt: dice.text(long) }).collect(),
            warnings: (0..dice.below(25)).map(|_| dice.text(1_000)).collect(),
            text: dice.text(long * 4),
            previews: (0..n).map(|_| photos[dice.below(photos.len())].clone()).collect(),
            artifacts: vec![artifact.clone(); n],
        });
    }
    pages
}

#[tokio::test]
async fn no_answer_is_longer_than_its_client_takes() {
    let mut dice = Dice(3);
    let pages = pages(&mut dice, 20).await;
    let limits = [32_000, 48_000, 80_000, 150_000, 300_000, 600_000, 2_000_000];
    let tight = limits
        .map(|limit| (format!("takes {limit}"), Override { max_result_bytes: Some(limit), ..Override::default() }));
    let profiles = Profiles::build(config(tight.clone()));
    let server = server(pages, tight);

    let known = KNOWN.iter().flat_map(|known| known.names).map(|name| (*name).to_owned());
    let clients = known.chain(["stranger".to_owned()]).chain(limits.map(|limit| format!("takes {limit}")));
    let mut shown = 0;
    for client in clients {
        let limit = profiles.of(Some(&client)).max_result_bytes;
        for era in [Era::Legacy, Era::Modern] {
            let mut peer = era.connect(server.clone(), &client).await;
            let page = dice.below(20);
            let line = line_of(&mut peer, era, &client, page).await;
            assert!(line.len() < limit, "{client}, {era:?}, page {page}: {} bytes of {limit}", line.len());
            let result = serde_json::from_str::<Value>(&line).unwrap()["result"].take();
            assert_eq!(result["content"][0]["type"], "text", "{client}, page {page}");
            shown += blocks(&result, "image").count();
        }
    }
    assert!(shown > 60, "most answers show pictures: {shown}");
}

/// A long id is part of the message.
#[tokio::test]
async fn the_id_of_the_request_is_counted() {
    let pages = pages(&mut Dice(1), 10).await;
    let tight = Override { max_result_bytes: Some(40_000), ..Override::default() };
    let mut peer = Peer::initialized(server(pages, [("test".to_owned(), tight)]), LEGACY).await;
    for page in 0..10 {
        let params = json!({"name": "album", "arguments": {"page": page}});
        let id = format!("{page}{}", "x".repeat(10_000));
        peer.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})).await;
        let line = peer.next_line().await.unwrap();
        assert!(line.len() < 40_000, "page {page}: {}", line.len());
    }
}

#[tokio::test]
async fn what_is_given_up_and_in_which_order() {
    let page = Page {
        status: "complete".into(),
        images: vec![Image { path: "/pictures/a.png".into(), revised_prompt: "Many words. ".repeat(500) }; 4],
        warnings: Vec::new(),
        text: "/pictures/a.png, 800x600, 1.2 MB\n".repeat(4) + &"More words. ".repeat(500),
        previews: vec![photo(800, 600); 4],
        artifacts: vec![kept("four cats").await; 4],
    };
    let limits = [1 << 20, 300_000, 120_000, 60_000, 44_000, 40_000, 38_000, 30_000, 16_000, 10_000, 6_000, 4_000];
    let clients =
        limits.map(|limit| (limit.to_string(), Override { max_result_bytes: Some(limit), ..Override::default() }));
    let server = server(vec![page], clients);

    let mut table = String::from("takes    | pictures        | text | links | structured | notes\n");
    for limit in limits {
        let result = answer_of(server.clone(), &limit.to_string(), 0).await;
        assert!(result.to_string().len() < limit);
        let sides: Vec<_> = blocks(&result, "image").map(|image| side(image).to_string()).collect();
        let text = result["content"][0]["text"].as_str().unwrap().len();
        let notes = blocks(&result, "text").nth(1).map_or("", |notes| notes["text"].as_str().unwrap());
        let notes = notes.replace(": this client takes no", " ... no").replace('\n', " ");
        let structured = result["structuredContent"].to_string().len();
        let links = blocks(&result, "resource_link").count();
        let pictures = sides.join(" ");
        writeln!(table, "{limit:<8} | {pictures:15} | {text:4} | {links:5} | {structured:10} | {notes}").unwrap();
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn pictures_without_room_for_each_are_on_one_sheet_and_it_is_said() {
    let page = Page { text: "ten cats".into(), previews: vec![photo(400, 300); 10], ..Page::default() };
    let tight = Override { max_result_bytes: Some(12_000), ..Override::default() };
    let result = answer_of(server(vec![page], [("tight".to_owned(), tight)]), "tight", 0).await;
    assert_eq!(blocks(&result, "image").count(), 1, "{result}");
    let said = blocks(&result, "text").map(|block| block["text"].as_str().unwrap()).collect::<String>();
    assert!(said.contains("The pictures are shown on one numbered sheet: there is no room here for each."), "{said}");
}

fn blocks<'a>(result: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    result["content"].as_array().unwrap().iter().filter(move |block| block["type"] == kind)
}

/// The longer side of a picture as the client gets it.
fn side(image: &Value) -> u32 {
    let bytes = base64_simd::STANDARD.decode_to_vec(image["data"].as_str().unwrap()).unwrap();
    let sides = Encoded::sniff(bytes.into()).unwrap().dimensions();
    sides.width.max(sides.height)
}

async fn two_pictures() -> Vec<Page> {
    let previews = vec![photo(100, 80); 2];
    let artifacts = vec![kept("two cats").await; 2];
    vec![Page { status: "complete".into(), text: "/a.png\n/b.png".into(), previews, artifacts, ..Page::default() }]
}

#[tokio::test]
async fn structured_content_stands_beside_pictures_only_where_it_does_not_cost_them() {
    for (client, structured) in [("claude-code", false), ("codex-mcp-client", false), ("claude-ai", true), ("x", true)]
    {
        let server = server(two_pictures().await, []);
        let mut peer = Peer::introduced(server.clone(), LEGACY, client).await;
        let tools = peer.ask("tools/list", json!({})).await["result"]["tools"].take();
        assert_eq!(tools[0]["outputSchema"].is_object(), structured, "{client}");
        assert!(tools[1]["outputSchema"].is_object(), "{client}: a tool without pictures keeps its schema");

        let result = answer_of(server.clone(), client, 0).await;
        assert_eq!(result["structuredContent"].is_object(), structured, "{client}");
        assert_eq!(blocks(&result, "image").count(), 2, "{client}");

        let said = peer.ask("tools/call", json!({"name": "echo", "arguments": {"text": "hi"}})).await;
        assert_eq!(said["result"]["structuredContent"]["text"], "hi", "{client}");
        let failed = peer.ask("tools/call", json!({"name": "album", "arguments": {}})).await;
        assert_eq!(failed["result"]["structuredContent"]["error"]["code"], "invalid_argument", "{client}");
    }
}

/// In 2026-07-28 each request says who sent it.
#[tokio::test]
async fn the_list_is_for_the_client_that_asks() {
    let mut peer = Peer::connect(server(two_pictures().await, []));
    for (client, schema) in [("claude-code", false), ("claude-ai", true)] {
        let listed = peer.ask("tools/list", Era::Modern.params(client, json!({}))).await["result"].take();
        assert_eq!(listed["tools"][0]["outputSchema"].is_object(), schema, "{client}");
        assert_eq!(listed["tools"][0]["_meta"]["ui"].is_object(), schema, "{client}: the viewer is named to its hosts");
        assert_eq!(listed["cacheScope"], "private");
    }
}

#[tokio::test]
async fn pictures_come_at_the_size_that_a_client_shows() {
    let page = Page { text: "/a.png".into(), previews: vec![photo(2_400, 300)], ..Page::default() };
    let wide = Override { preview_max_side: Some(2_200), ..Override::default() };
    let server = server(vec![page], [("mine".to_owned(), wide)]);
    for (client, longest) in [("x", 1_024), ("mcp-inspector", 2_048), ("mine", 2_200)] {
        let result = answer_of(server.clone(), client, 0).await;
        assert_eq!(blocks(&result, "image").map(side).collect::<Vec<_>>(), [longest], "{client}");
    }
}

fn config(clients: impl IntoIterator<Item = (String, Override)>) -> Config {
    let preview = Preview { mode: Mode::Auto, max_bytes: None, max_side: None };
    Config { answer_within: None, preview, clients: BTreeMap::from_iter(clients) }
}

#[test]
fn a_clients_own_settings_go_before_general_ones_and_those_before_the_table() {
    let of = |config: Config, client| -> Profile { Profiles::build(config).of(Some(client)) };
    let minute = Patience::For(Duration::from_mins(1));

    let table = of(config([]), "claude-code");
    assert_eq!(table.answer_within, Patience::For(Duration::from_mins(4)));
    assert_eq!((table.room, table.max_result_bytes), (UNKNOWN.room, 1 << 20));

    let mut general = config([]);
    general.answer_within = Some(minute);
    general.preview.max_bytes = Some(90_000);
    general.preview.max_side = Some(4_000);
    let profile = of(general.clone(), "claude-code");
    assert_eq!((profile.answer_within, profile.room.bytes, profile.room.side), (minute, 90_000, 4_000));
    assert_eq!(of(general.clone(), "Visual Studio Code").room.side, 1_999, "it does not survive more");

    let own = Override {
        answer_within: Some(Patience::ToTheEnd),
        preview_max_bytes: Some(50_000),
        preview_max_side: Some(3_000),
        structured: Some(Structured::BesidePictures),
        ..Override::default()
    };
    // By the table's key and by the client's own name; the name goes first.
    let named = Override { preview_max_bytes: Some(10_000), ..Override::default() };
    general.clients = [("Claude-Code".to_owned(), own), ("claude-code".to_owned(), named)].into();
    let profile = of(general.clone(), "claude-code");
    assert_eq!((profile.answer_within, profile.room.side), (Patience::ToTheEnd, 3_000));
    assert_eq!((profile.room.bytes, profile.structured), (10_000, Structured::BesidePictures));
    general.clients = [("vscode".to_owned(), own)].into();
    assert_eq!(of(general, "Visual Studio Code - Insiders").room.side, 3_000, "who says so knows it");
}

#[test]
fn previews_go_where_they_are_shown_or_wanted() {
    let bytes = |mode, own, client| {
        let mut config = config([("mine".to_owned(), Override { preview: own, ..Override::default() })]);
        config.preview.mode = mode;
        Profiles::build(config).of(Some(client)).room.bytes
    };
    let drops = "github-copilot-developer";
    assert_eq!(bytes(Mode::Auto, None, "x"), 600_000);
    assert_eq!(bytes(Mode::Auto, None, drops), 0);
    assert_eq!(bytes(Mode::Always, None, drops), 600_000);
    assert_eq!(bytes(Mode::Never, None, "x"), 0);
    assert_eq!(bytes(Mode::Never, Some(Mode::Always), "mine"), 600_000);
    assert_eq!(bytes(Mode::Always, Some(Mode::Never), "mine"), 0);
}

/// What a tool makes for a client has to fit as it is, beside texts of the usual length.
#[test]
fn previews_leave_room_for_texts() {
    for limit in [32_000, 100_000, 1 << 20] {
        let tight =
            Override { max_result_bytes: Some(limit), preview_max_bytes: Some(50_000_000), ..Override::default() };
        let room = Profiles::build(config([("tight".to_owned(), tight)])).of(Some("tight")).room;
        assert!(room.bytes / 3 * 4 < limit - limit / 7, "{limit}: {}", room.bytes);
    }
}
