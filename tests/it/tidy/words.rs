//! The words of the code: each type's name stands once, and a docstring begins with a verb or with the thing itself.

use std::collections::BTreeMap;

use super::reading::{Fault, Source, is_word, numbered};

/// Names that every module may give to a type of its own.
const SHARED: [&str; 4] = ["Args", "Config", "Error", "Output"];

/// A docstring that begins so describes around its subject instead of naming it.
const QUESTIONS: [&str; 6] = ["What", "How", "Whether", "Who", "Where", "Why"];

/// A fault for each type whose name another type of `src/` has, too.
pub fn repeated_names(sources: &[Source]) -> Vec<Fault> {
    let mut first: BTreeMap<&str, (&Source, usize)> = BTreeMap::new();
    let mut faults = Vec::new();
    for source in sources {
        for (number, name) in numbered(&source.text).filter_map(|(number, line)| Some((number, declared(line)?))) {
            if SHARED.contains(&name) {
                continue;
            }
            match first.get(name) {
                None => drop(first.insert(name, (source, number))),
                // One type may have a version for each platform, in one file.
                Some((other, _)) if other.path == source.path => {}
                Some((other, line)) => {
                    faults.push(source.fault(number, format!("`{name}` stands in {}:{line}, too", other.path)));
                }
            }
        }
    }
    faults
}

/// The name of the type that a line at the margin declares.
fn declared(line: &str) -> Option<&str> {
    let mut words = line.split(' ').skip_while(|word| word.starts_with("pub") || word.ends_with(')'));
    words.next().filter(|word| ["struct", "enum", "trait", "type", "union"].contains(word))?;
    let name = words.next()?;
    Some(&name[..name.find(|character| !is_word(character)).unwrap_or(name.len())])
}

/// A fault for each docstring that begins with a question.
pub fn questions(source: &Source) -> Vec<Fault> {
    let mut before = "";
    let mut faults = Vec::new();
    for (number, line) in numbered(&source.text) {
        let line = line.trim_start();
        let text = line.strip_prefix("/// ").or_else(|| line.strip_prefix("//! "));
        let first = text.and_then(|text| text.split(|character| !is_word(character)).next());
        if let Some(question) = first.filter(|first| QUESTIONS.contains(first) && !is_doc(before)) {
            faults.push(source.fault(number, format!("a docstring that begins with `{question}`: name the thing")));
        }
        before = line;
    }
    faults
}

fn is_doc(line: &str) -> bool {
    line.starts_with("///") || line.starts_with("//!")
}
