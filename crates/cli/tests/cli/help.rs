//! Help on terminals of every width: text is wrapped once, by the terminal's width.

use crate::support::{stdout, tower_bearer};

const COMMANDS: [&[&str]; 4] = [&["--help"], &["check", "--help"], &["load", "--help"], &["mint", "--help"]];

fn help(command: &[&str], width: usize) -> String {
    stdout(&tower_bearer(command).env("COLUMNS", width.to_string()).output().unwrap())
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    for command in COMMANDS {
        for width in [60, 80, 100, 200] {
            for line in help(command, width).lines() {
                let is_one_word = line.trim().split(' ').count() == 1;
                assert!(line.chars().count() <= width || is_one_word, "{command:?} at {width}: {line}");
            }
        }
    }
}

/// A line that ends although the next word would fit, and a sentence that goes on there: a text with line breaks of its
/// own, which was wrapped again.
#[test]
fn no_text_is_wrapped_twice() {
    for command in COMMANDS {
        for width in [60, 80, 100, 200] {
            let text = help(command, width);
            let examples = text.find("Examples:").unwrap_or(text.len());
            let (options, examples) = text.split_at(examples);
            // Prose among the options is indented by 10 and that among the examples by less than commands are.
            let options = prose(options, |indent| indent == 0 || indent >= 10);
            for pair in options.windows(2).chain(prose(examples, |indent| indent < 4).windows(2)) {
                let [line, next] = pair else { continue };
                let goes_on = indent(line) == indent(next) && next.trim_start().starts_with(char::is_lowercase);
                let word = next.trim_start().split(' ').next().unwrap_or_default();
                // The widest that clap makes it.
                let would_fit = line.chars().count() + 1 + word.chars().count() <= width.min(110);
                assert!(!goes_on || !would_fit, "{command:?} at {width}:\n{line}\n{next}");
            }
        }
    }
}

/// The lines with such an indentation; others are empty.
fn prose(text: &str, is_prose: impl Fn(usize) -> bool) -> Vec<&str> {
    text.lines().map(|line| if is_prose(indent(line)) { line } else { "" }).collect()
}
