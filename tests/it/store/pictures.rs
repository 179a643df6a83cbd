//! The index of pictures.

use mcp_openai::store::{Store, pictures::IndexedPicture};

use super::Engine;

fn picture(id: &str, words: &str) -> IndexedPicture {
    IndexedPicture { picture: id.into(), words: words.into() }
}

async fn found(store: &Store, gallery: &str, words: &str) -> Vec<String> {
    store.pictures.find(gallery, words, 10).await.unwrap()
}

pub async fn pictures_are_found_by_their_words_in_their_gallery(engine: &impl Engine) {
    let store = engine.open();
    assert!(store.pictures.indexed("one").await.unwrap().is_empty());
    assert!(found(&store, "one", "fox").await.is_empty());
    let two = vec![picture("a", "a red fox"), picture("b", "a red dog")];
    store.pictures.index("one", two, vec![]).await.unwrap();
    store.pictures.index("two", vec![picture("a", "another fox")], vec![]).await.unwrap();
    assert_eq!(found(&store, "one", "fox red").await, ["a"]);
    assert_eq!(found(&store, "two", "fox").await, ["a"]);
    assert_eq!(store.pictures.find("one", "red", 1).await.unwrap().len(), 1);
    for words in ["", "\"", "NEAR(", "fo*", "\0", "-", "words : fox"] {
        assert!(store.pictures.find("one", words, 10).await.is_ok(), "{words:?}");
    }
}

pub async fn the_index_of_pictures_forgets_and_keeps_each_once(engine: &impl Engine) {
    let store = engine.open();
    for words in ["a fox", "said otherwise"] {
        store.pictures.index("one", vec![picture("a", words)], vec![]).await.unwrap();
    }
    assert_eq!(
        (found(&store, "one", "fox").await, found(&store, "one", "otherwise").await),
        (vec!["a".to_owned()], vec![])
    );
    store.pictures.index("one", vec![picture("b", "a fox")], vec!["a".into(), "never there".into()]).await.unwrap();
    assert_eq!(found(&store, "one", "fox").await, ["b"]);
    assert_eq!(store.pictures.indexed("one").await.unwrap().into_iter().collect::<Vec<_>>(), ["b"]);
}
