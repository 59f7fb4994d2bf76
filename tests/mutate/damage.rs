//! Damage as disks, copies and people cause it: to lines, bytes, files and `run.json`.

use super::kept::Kept;
use super::{Expects, Mutation, owed};
use crate::draw::Draw;
use serde_json::Value;
use std::collections::BTreeMap;

/// Lines of a file are lost, doubled or moved. Its frames are written anew, with right marks and checksums.
pub(crate) fn lines(kept: &Kept, draw: &mut Draw) -> Mutation {
    let name = kept.any_framed(draw);
    let whole = &kept.lines[name];
    if whole.is_empty() {
        return bytes(kept, draw);
    }
    let mut lines = whole.clone();
    let at = draw.below(lines.len());
    let other = draw.below(lines.len());
    let done = match draw.below(7) {
        1 => {
            let end = at + 1 + draw.below(lines.len() - at);
            lines.drain(at..end);
            format!("lines {at}..{end} dropped")
        }
        2 => {
            lines.insert(other, lines[at].clone());
            format!("line {at} doubled at {other}")
        }
        3 if at != other => {
            lines.swap(at, other);
            format!("lines {at} and {other} swapped")
        }
        4 if at != other => {
            let line = lines.remove(at);
            lines.insert(other, line);
            format!("line {at} moved to {other}")
        }
        5 => {
            lines.truncate(at);
            format!("lines from {at} on cut off")
        }
        6 => {
            let from = others(kept, name, draw);
            let line = draw.pick(&kept.lines[from]).clone();
            lines[at] = line;
            format!("line {at} replaced by one of {from}")
        }
        _ => {
            lines.remove(at);
            format!("line {at} dropped")
        }
    };
    let is_owed = lines != *whole;
    loss(format!("{name}: {done}"), [(name, Some(kept.file(name, &lines)))], is_owed)
}

/// Another file of the same kind that has lines, or else this one.
fn others<'k>(kept: &'k Kept, name: &str, draw: &mut Draw) -> &'k str {
    let sort = |file: &str| file.split('/').next().map(str::to_owned);
    let with_lines = kept.lines.iter().filter(|(_, lines)| !lines.is_empty());
    let all: Vec<&str> =
        with_lines.map(|(file, _)| file.as_str()).filter(|file| sort(file) == sort(name)).collect();
    all[draw.below(all.len())]
}

/// Bytes of a file are changed, or whole frames lost, doubled or moved. A bit that zstd ignores leaves every
/// line as it was: then nothing is lost.
pub(crate) fn bytes(kept: &Kept, draw: &mut Draw) -> Mutation {
    let name = kept.any_framed(draw);
    let whole = &kept.bytes[name];
    let mut frames = frames(whole);
    let (one, other) = (draw.below(frames.len()), draw.below(frames.len()));
    let at = draw.below(whole.len());
    let done = match draw.below(6) {
        0 => {
            frames.remove(one);
            format!("frame {one} dropped")
        }
        1 => {
            frames.insert(other, frames[one].clone());
            format!("frame {one} doubled at {other}")
        }
        2 if one != other => {
            frames.swap(one, other);
            format!("frames {one} and {other} swapped")
        }
        3 => {
            frames = vec![whole[..at].to_vec()];
            format!("cut to {at} bytes")
        }
        4 => {
            frames.push(b"more".to_vec());
            "more bytes at its end".to_owned()
        }
        _ => {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << draw.below(8);
            frames = vec![flipped];
            format!("a bit of byte {at} flipped")
        }
    };
    let changed = frames.concat();
    let is_owed = kept.read(name, &changed).as_ref() != Some(&kept.lines[name]);
    loss(format!("{name}: {done}"), [(name, Some(changed))], is_owed)
}

/// The frames of a file, each after its mark, and the end mark last.
fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let is_mark = |at: &usize| {
        let head = &bytes[*at..];
        [0x50, 0x51].iter().any(|magic| head.starts_with(&[*magic, 0x2a, 0x4d, 0x18, 24, 0, 0, 0]))
    };
    let starts: Vec<usize> = (0..bytes.len()).filter(is_mark).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).map(|(start, end)| bytes[*start..end].to_vec()).collect()
}

/// Files are lost, emptied, swapped, copied, or added where there was none.
pub(crate) fn files(kept: &Kept, draw: &mut Draw) -> Mutation {
    let all: Vec<&str> = kept.bytes.keys().map(String::as_str).filter(|file| *file != "run.json").collect();
    let (name, other) = (*draw.pick(&all), kept.any_framed(draw));
    let framed = kept.any_framed(draw);
    let is_owed = owed::file(name);
    match draw.below(6) {
        0 => loss(
            format!("{name} emptied"),
            [(name, Some(Vec::new()))],
            is_owed && !kept.bytes[name].is_empty(),
        ),
        1 if framed != other => {
            let files = [(framed, kept.bytes.get(other).cloned()), (other, kept.bytes.get(framed).cloned())];
            loss(format!("{framed} and {other} swapped"), files, true)
        }
        2 if framed != other => {
            loss(format!("{framed} copied over {other}"), [(other, kept.bytes.get(framed).cloned())], true)
        }
        3 => {
            let stray = framed.replace(".jsonl.zst", ".2.jsonl.zst").replace(".table.zst", ".2.table.zst");
            let stray = stray.replace("log/0.2", "log/9");
            let is_new = stray.contains('/') && !kept.bytes.contains_key(&stray);
            loss(format!("{framed} copied to {stray}"), [(&*stray, kept.bytes.get(framed).cloned())], is_new)
        }
        4 => capture_lost(kept, draw),
        _ => loss(format!("{name} removed"), [(name, None)], is_owed),
    }
}

/// All files of a capture, or of a replica in it.
fn capture_lost(kept: &Kept, draw: &mut Draw) -> Mutation {
    let reads: Vec<&String> = kept.bytes.keys().filter(|file| file.starts_with("reads/")).collect();
    if reads.is_empty() {
        return bytes(kept, draw);
    }
    let depth = 2 + draw.below(2);
    let folder = draw.pick(&reads).split('/').take(depth).collect::<Vec<_>>().join("/") + "/";
    let gone = reads.iter().filter(|file| file.starts_with(&folder)).map(|file| (file.as_str(), None));
    loss(format!("{folder} removed"), gone, true)
}

/// A field of `run.json` is changed or removed.
pub(crate) fn run_file(kept: &Kept, draw: &mut Draw) -> Mutation {
    let whole: Value = serde_json::from_slice(&kept.bytes["run.json"]).expect("JSON");
    let mut run = whole.clone();
    let mut path = Vec::new();
    let done = change(&mut run, &mut path, draw);
    let is_owed = owed::field(&path) && run != whole;
    let text = serde_json::to_vec(&run).expect("JSON");
    loss(format!("run.json: {} {done}", path.join(".")), [("run.json", Some(text))], is_owed)
}

/// Descends at random, and changes what it reaches.
fn change(value: &mut Value, path: &mut Vec<String>, draw: &mut Draw) -> &'static str {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let name = draw.pick(&names).clone();
            path.push(name.clone());
            if path.len() > 1 && draw.once_in(5) {
                fields.remove(&name);
                return "is gone";
            }
            change(fields.get_mut(&name).expect("a field"), path, draw)
        }
        Value::Array(items) if !items.is_empty() => {
            let at = draw.below(items.len());
            path.push(at.to_string());
            if draw.once_in(4) {
                items.remove(at);
                return "is gone";
            }
            change(&mut items[at], path, draw)
        }
        Value::Object(_) | Value::Array(_) | Value::Null => {
            *value = Value::from(1);
            "is set to 1"
        }
        Value::Bool(flag) => {
            *flag = !*flag;
            "is turned"
        }
        Value::Number(number) => {
            *value = Value::from(number.as_u64().unwrap_or(0).wrapping_add(1));
            "is one more"
        }
        Value::String(text) => {
            text.push('x');
            "has another end"
        }
    }
}

/// A loss or damage, and what was lost.
pub(crate) fn loss<'f>(
    what: String,
    files: impl IntoIterator<Item = (&'f str, Option<Vec<u8>>)>,
    is_owed: bool,
) -> Mutation {
    let files: BTreeMap<_, _> = files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    Mutation { what, files, expects: Expects::Loss { is_owed } }
}
