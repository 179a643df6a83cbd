//! The pages of the guide say where they stand in it.

use std::fs;

#[test]
fn every_page_of_the_guide_leads_to_the_next() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
    let page = |name: &str| fs::read_to_string(format!("{docs}/{name}")).unwrap();
    let readme = page("README.md");
    let (_, guide) = readme.split_once("\n## Guide\n").unwrap();
    let (guide, _) = guide.split_once("\n## ").unwrap();
    let names: Vec<&str> = guide.lines().filter_map(|line| Some(line.split_once("](")?.1.split_once(')')?.0)).collect();
    for (index, name) in names.iter().enumerate() {
        let page = page(name);
        let place = page.lines().find(|line| line.starts_with("*Guide, ")).unwrap_or_default();
        assert!(place.starts_with(&format!("*Guide, {} of {}.*", index + 1, names.len())), "{name}: {place}");
        let before = index.checked_sub(1).map(|index| names[index]);
        for (word, neighbour) in [("Before", before), ("Next", names.get(index + 1).copied())] {
            let link = place.split_once(word).and_then(|(_, rest)| Some(rest.split_once("](")?.1.split_once(')')?.0));
            assert_eq!(link, neighbour, "{name}: {word}");
        }
    }
}
