//! Small pieces that all sections are made of.

use crate::report::answers::answer::Answer;
use crate::report::format::shortened;
use dissent_core::checker::verdict::VerdictOutcome;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
/// Characters of the name of a page on paper.
const NAME_MAX: usize = 160;
/// Characters of a text from the target before it is cut.
const TEXT_MAX: usize = 400;

/// A whole page. `name` stands at the head of each sheet of paper.
pub(super) fn document(title: &str, name: &str, body: &Markup) -> String {
    let head = format!("@page {{ @top-left {{ content: {} }} }}", css_string(&shortened(name, NAME_MAX)));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(head)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// The class of a header, which decides its colour.
pub(super) fn outcome_class(outcome: VerdictOutcome) -> &'static str {
    match outcome {
        VerdictOutcome::Pass => "pass",
        VerdictOutcome::Inconclusive => "inconclusive",
        VerdictOutcome::Fail => "fail",
    }
}

/// Questions with their answers.
pub(super) fn answer_list(answers: &[Answer]) -> Markup {
    html! {
        dl.answers {
            @for answer in answers {
                div {
                    dt { (answer.question) }
                    dd {
                        @for line in &answer.short { p { (prose(line)) } }
                        @for line in &answer.more { p.more { (prose(line)) } }
                    }
                }
            }
        }
    }
}

/// A text, with the parts between backticks set as code.
pub(super) fn prose(text: &str) -> Markup {
    let text = shortened(text, TEXT_MAX);
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { (code(part)) } @else { (part) }
        }
    }
}

/// A command or a name. Lines break only between its words, so that it can be read and typed.
pub(super) fn code(text: &str) -> Markup {
    html! {
        code {
            @for (i, word) in text.split(' ').enumerate() {
                @if i > 0 { " " }
                span { (word) }
            }
        }
    }
}

/// Something that may be wider than the page. It scrolls, also by keyboard, and its edges show that it does.
pub(super) fn scroll(label: &str, wide: Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (wide) } }
}

/// Details that are folded away.
pub(super) fn folded(summary: &str, details: Markup) -> Markup {
    html! {
        details {
            summary { (summary) }
            (details)
        }
    }
}

/// The address of the page in a folder.
pub(super) fn page_of(before: &str, folder: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~@:=".contains(&byte);
    let letter = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    format!("{before}{}/report.html", folder.bytes().map(letter).collect::<String>())
}

/// A text as a string of CSS: everything but letters, digits and spaces is escaped.
fn css_string(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter.is_ascii_alphanumeric() || letter == ' ' {
            true => out.push(letter),
            false => out.push_str(&format!("\\{:x} ", u32::from(letter))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_of_css_stays_one() {
        assert_eq!(css_string("a\"; }</style>"), "\"a\\22 \\3b  \\7d \\3c \\2f style\\3e \"");
    }
}
