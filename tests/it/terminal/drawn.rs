//! Pictures that are drawn in the terminal: the stream is decoded as the terminal would, and held against the picture.

use image::RgbImage;
use mcp_openai::artifact::{Artifacts, Config, Origin, Stem};

use super::{pty::Pty, *};
use crate::painting::{encode, paint};

const COLUMNS: u16 = 80;

/// A home with one picture, and its pixels.
async fn with_picture(width: u32, height: u32) -> (Home, RgbImage) {
    let home = Home::new();
    let gallery = Artifacts::build(Config { dir: home.path("pictures"), ..Config::default() });
    let picture = paint(width, height);
    let encoded = encode(picture.clone(), image::ImageFormat::Png);
    gallery.keep(&encoded, Stem::parse("red-fox").as_ref(), Origin::default()).await.unwrap();
    (home, picture)
}

/// The bytes that a terminal with these variables is sent.
fn sent(home: &Home, arguments: &[&str], variables: &[(&str, &str)]) -> Vec<u8> {
    let mut command = home.command(arguments);
    command.envs(variables.iter().copied());
    Pty::start(&command, COLUMNS).end().1
}

fn decoded(base64: &str) -> RgbImage {
    let png = base64_simd::STANDARD.decode_to_vec(base64).unwrap();
    image::load_from_memory_with_format(&png, image::ImageFormat::Png).unwrap().into_rgb8()
}

#[tokio::test]
async fn kitty_is_sent_the_picture_in_pieces_and_no_question() {
    let (home, picture) = with_picture(320, 200).await;
    let sent = sent(&home, &["images", "preview", "red-fox"], &[("TERM", "xterm-kitty"), ("KITTY_WINDOW_ID", "1")]);
    let sent = String::from_utf8(sent).unwrap();
    let mut base64 = String::new();
    let commands: Vec<_> = sent.split("\x1b_G").skip(1).map(|piece| piece.split_once("\x1b\\").unwrap()).collect();
    for (number, (command, after)) in commands.iter().enumerate() {
        let (keys, piece) = command.split_once(';').unwrap();
        let is_last = number + 1 == commands.len();
        let first = if number == 0 { "a=T,f=100,q=2,c=32," } else { "" };
        assert_eq!(keys, format!("{first}m={}", u8::from(!is_last)));
        assert!(piece.len() <= 4096 && (is_last || piece.len() % 4 == 0), "{}", piece.len());
        assert_eq!(*after, if is_last { "\r\n" } else { "" });
        base64 += piece;
    }
    assert!(commands.len() > 1);
    assert_eq!(decoded(&base64), picture);
}

#[tokio::test]
async fn iterm2_is_sent_the_picture_as_a_file_that_is_shown() {
    let (home, picture) = with_picture(320, 200).await;
    let sent = sent(&home, &["images", "show", "red-fox"], &[("TERM_PROGRAM", "iTerm.app")]);
    let sent = String::from_utf8(sent).unwrap();
    let (file, facts) = sent.strip_prefix("\x1b]1337;File=inline=1;").unwrap().split_once("\x07\r\n").unwrap();
    let (keys, base64) = file.split_once(':').unwrap();
    let size = base64_simd::STANDARD.decode_to_vec(base64).unwrap().len();
    assert_eq!(keys, format!("size={size};width=32;preserveAspectRatio=1"));
    assert_eq!(decoded(base64), picture);
    assert!(facts.starts_with("path       /") && facts.contains("320x200"), "{facts}");
}

/// The picture that the screen of a terminal shows in half blocks.
fn screen_of(bytes: &[u8], width: u32, height: u32) -> RgbImage {
    let mut terminal = vt100::Parser::new(200, COLUMNS, 0);
    terminal.process(bytes);
    RgbImage::from_fn(width, height, |x, y| {
        let cell = terminal.screen().cell(u16::try_from(y / 2).unwrap(), u16::try_from(x).unwrap()).unwrap();
        assert_eq!(cell.contents(), "▀");
        match if y % 2 == 0 { cell.fgcolor() } else { cell.bgcolor() } {
            vt100::Color::Rgb(red, green, blue) => image::Rgb([red, green, blue]),
            other => panic!("{other:?}"),
        }
    })
}

#[tokio::test]
async fn other_terminals_show_two_pixels_in_a_character() {
    let (home, picture) = with_picture(60, 44).await;
    let true_colour = [("COLORTERM", "truecolor")];
    let drawn = sent(&home, &["images", "preview", "red-fox"], &true_colour);
    assert_eq!(screen_of(&drawn, 60, 44), picture);
    // A large one is made to fit 80 columns and 32 lines.
    let (home, _) = with_picture(900, 600).await;
    let drawn = sent(&home, &["images", "preview", "red-fox"], &true_colour);
    let (small, expected) = (screen_of(&drawn, 80, 53), with_picture(900, 600).await.1);
    let expected = image::imageops::thumbnail(&expected, 80, 53);
    let apart = small.iter().zip(expected.iter()).map(|(one, other)| u64::from(one.abs_diff(*other))).sum::<u64>();
    assert!(apart / (80 * 53 * 3) < 8, "{apart}");
    let lines = String::from_utf8(drawn).unwrap();
    assert_eq!(lines.lines().count(), 27);
    let palette = String::from_utf8(sent(&home, &["images", "preview", "red-fox"], &[])).unwrap();
    assert!(palette.contains("\x1b[38;5;") && !palette.contains("38;2;"));
}

#[tokio::test]
async fn nothing_is_drawn_where_it_would_not_be_seen_or_is_not_wanted() {
    let (home, _) = with_picture(60, 44).await;
    for (arguments, variables) in [
        (&["images", "show", "red-fox"][..], &[("TERM", "dumb")][..]),
        (&["images", "show", "red-fox"], &[("TERM", "xterm-kitty"), ("NO_COLOR", "1")]),
        (&["images", "show", "red-fox", "--no-inline"], &[("TERM", "xterm-kitty")]),
        (&["images", "show", "red-fox", "--json"], &[("TERM", "xterm-kitty")]),
    ] {
        let sent = String::from_utf8(sent(&home, arguments, variables)).unwrap();
        assert!(!sent.contains(['\x1b', '▀']) && sent.contains("red-fox.png"), "{arguments:?} {variables:?}: {sent}");
    }
    let (code, out, _) = home.run(&["images", "show", "red-fox"]);
    assert!(code == 0 && out.starts_with("path"), "{out}");
    let (code, out, err) = home.run(&["images", "preview", "red-fox"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("no picture can be drawn here: `--inline`"), "{err}");
}

#[tokio::test]
async fn inline_draws_into_a_pipe_too_in_the_form_that_is_named() {
    let (home, picture) = with_picture(60, 44).await;
    let out = |form: &str| home.run(&["images", "preview", "red-fox", form]).1;
    assert!(out("--inline").contains('▀'));
    let kitty = out("--inline=kitty");
    let (_, base64) = kitty.split_once(';').unwrap();
    let base64: String = base64.split("\x1b\\").map(|piece| piece.rsplit(';').next().unwrap().trim_end()).collect();
    assert_eq!(decoded(&base64), picture);
    assert!(out("--inline=iterm2").starts_with("\x1b]1337;File="));
    assert!(out("--inline=sixel").starts_with("\x1bP0;1q\"1;1;60;44#0;2;0;0;0#1;"));
}

#[test]
fn pictures_are_drawn_above_their_paths_and_several_on_one_sheet() {
    let home = Home::new();
    let made = |n: &str| {
        let mut command = home.command(&["image", "a fox", "-q", "low", "-n", n, "--sandbox"]);
        command.env("TERM", "xterm-kitty");
        String::from_utf8(Pty::start(&command, COLUMNS).end().1).unwrap()
    };
    for (n, paths) in [("1", 1), ("4", 4)] {
        let made = made(n);
        assert_eq!(made.matches("\x1b_Ga=T").count(), 1);
        let below = made.rsplit("\x1b\\").next().unwrap();
        assert_eq!(below.matches(".png (").count(), paths, "{below}");
    }
    let (_, piped, _) = home.run(&["image", "a fox", "-q", "low", "--sandbox"]);
    assert!(!piped.contains('\x1b'), "{piped}");
}
