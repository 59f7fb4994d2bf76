//! The output of `dissent doctor`: what answers, what is allowed, and what prevents a run.

use super::format::{count, counted, len, printable};
use super::terminal::{Ink, Style};
use crate::adapter;
use crate::adapter::diagnosis::{Diagnosis, Endpoint, LeftoverCost, TableFacts};
use crate::adapter::system::System;
use crate::config::target::TargetFile;
use dissent_core::history::fault_catalogue::Permission;
use dissent_core::history::stored_name::stored_name;
use serde_json::{Value, json};

/// The checkup as one JSON document.
pub fn json(
    diagnosis: &Diagnosis,
    file: &TargetFile,
    path: &str,
    exit: u8,
) -> Result<String, serde_json::Error> {
    let mut document = serde_json::to_value(diagnosis)?;
    document["allow"] = serde_json::to_value(file.allow)?;
    document["limits"] = serde_json::to_value(&file.limits)?;
    document["cost"] = serde_json::to_value(diagnosis.table.as_ref().map(TableFacts::cost))?;
    document["audit_needs"] = json!(audit_needs(file));
    document["obstacles"] = json!(diagnosis.obstacles(path));
    document["twins"] = json!(diagnosis.shared_hosts());
    // A mark holds the commands of whoever left it. Run, step and replica are enough here.
    let marks = diagnosis.marks.iter().map(|cure| {
        json!({
            "run": cure.mark, "step": cure.step, "replica": cure.fault.replica,
            "left": !diagnosis.is_in_force(cure),
        })
    });
    document["marks"] = Value::Array(marks.collect());
    document["exit_code"] = exit.into();
    serde_json::to_string_pretty(&document)
}

/// The checkup as text; `path` is the target file as given.
pub fn text(diagnosis: &Diagnosis, file: &TargetFile, path: &str, style: Style) -> String {
    let mut page = Page { out: String::new(), style };
    page.who(diagnosis);
    page.table(diagnosis);
    page.allowed(file, diagnosis);
    page.audit_needs(file);
    page.left(diagnosis, path);
    page.conclusion(diagnosis, file, path);
    page.out
}

struct Page {
    out: String,
    style: Style,
}

impl Page {
    fn line(&mut self, label: &str, words: &str) {
        let label = self.style.label(label);
        self.out += &format!("  {label}{}\n", printable(words));
    }

    fn warn(&mut self, label: &str, words: &str) {
        let (label, words) = (self.style.label(label), self.style.paint(Ink::Yellow, &printable(words)));
        self.out += &format!("  {label}{words}\n");
    }

    fn who(&mut self, diagnosis: &Diagnosis) {
        let version = diagnosis.version.as_deref().unwrap_or("(unknown version)");
        self.out += &format!("{} {}\n", diagnosis.system, printable(version));
        for Endpoint { who, at, ms, problem, status, .. } in &diagnosis.asked {
            let status = status.as_ref().map(|status| format!(": {status}")).unwrap_or_default();
            match problem {
                None => self.line(&short(who), &format!("{at} answers in {ms} ms{status}")),
                Some(problem) => self.warn(&short(who), problem),
            }
        }
        self.replicas(diagnosis);
        for (host, names) in diagnosis.shared_hosts() {
            let names = names.join(" and ");
            self.warn(
                "one host",
                &format!("{names} have the same host name {host}: their rows cannot be distinguished"),
            );
        }
        for unknown in &diagnosis.unknown {
            self.warn("unknown", unknown);
        }
    }

    fn replicas(&mut self, diagnosis: &Diagnosis) {
        let (alive, all) = (diagnosis.alive(), diagnosis.replicas.len());
        let words = format!("{alive} of {all} are alive");
        match (alive, diagnosis.starts_anew) {
            _ if all == 0 => {}
            (0, true) => self.line("replicas", &format!("{all}, started when a run creates its table")),
            (_, true) if alive < all => {
                self.line("replicas", &format!("{words}; a run restarts all when it creates its table"));
            }
            (0, false) => self.warn("replicas", &words),
            _ => self.line("replicas", &words),
        }
    }

    fn table(&mut self, diagnosis: &Diagnosis) {
        let Some(table) = &diagnosis.table else {
            self.line("table", "none named in the target file; each run creates its own");
            return;
        };
        let segments = counted(table.segments, "segment");
        let partitions = counted(table.partitions, "partition");
        let replicas = counted(table.replicas, "replica");
        self.line("table", &format!("{}: {segments}, {partitions}, {replicas}", table.name));
        for (option, value) in &table.options {
            self.line("", &format!("{option}: {value}"));
        }
        let cost = table.cost();
        let rows = match table.rows {
            Some(rows) => format!("{} per replica, about {} in total", count(rows), count(cost.rows)),
            None => "not counted".to_owned(),
        };
        let queries = counted(cost.queries, "query");
        self.line("per capture", &format!("about {queries} to the broker; rows: {rows}"));
    }

    fn allowed(&mut self, file: &TargetFile, diagnosis: &Diagnosis) {
        let lines = adapter::system(&file.system).map(System::permissions).unwrap_or_default();
        let of = |wanted: bool| {
            let names = lines.iter().map(|(permission, _)| *permission);
            let names = names.filter(|permission| file.allow.permits(*permission) == wanted);
            names.map(Permission::line).collect::<Vec<_>>().join(", ")
        };
        match of(true) {
            none if none.is_empty() => self.line("allowed", "reading"),
            more => self.line("allowed", &format!("reading, {more}")),
        }
        match of(false) {
            none if none.is_empty() => {}
            more => self.line("not allowed", &more),
        }
        if let Some(why) = &diagnosis.boundaries {
            self.line("boundaries", &format!("segments end after a number of rows: {why}"));
        }
        for cannot in &diagnosis.cannot {
            self.line("cannot", &format!("{}: {}", cannot.fault.full_name(), cannot.why));
        }
        if !diagnosis.lacks.is_empty() {
            let lacks: Vec<String> = diagnosis.lacks.iter().map(stored_name).collect();
            self.line("cannot", &format!("merge by {}: not supported by this version", lacks.join(" and ")));
        }
    }

    fn audit_needs(&mut self, file: &TargetFile) {
        for (nth, need) in audit_needs(file).iter().enumerate() {
            self.line(if nth == 0 { "an audit needs" } else { "" }, need);
        }
    }

    fn left(&mut self, diagnosis: &Diagnosis, path: &str) {
        match &diagnosis.holder {
            Some(holder) => {
                self.warn("in use by", &holder.to_string());
                self.line("", &format!("if it was killed, its lock expires in {} s", holder.left));
            }
            None if diagnosis.free => self.line("in use by", "nobody"),
            None => self.line("in use by", "unknown"),
        }
        if let Some(folder) = &diagnosis.lock_folder {
            self.line("lock, marks", &format!("in the folder {}", folder.display()));
        }
        for cure in &diagnosis.marks {
            let words =
                format!("{} on {} of run {}", cure.fault.kind.full_name(), cure.fault.replica, cure.mark);
            match diagnosis.is_in_force(cure) {
                true => self.line("in force", &words),
                false => self.warn("fault left", &words),
            }
        }
        if diagnosis.left_faults().next().is_some() {
            self.line("", &format!("undo: dissent heal {path}"));
        }
        if let Some(LeftoverCost { segments, consuming, bytes }) = diagnosis.left_cost {
            let bytes = bytes.map_or("unknown size".to_owned(), |bytes| counted(bytes, "byte"));
            let (tables, segments) =
                (counted(len(&diagnosis.leftovers), "table"), counted(segments, "segment"));
            let copies = counted(consuming, "copy");
            let words = format!("{tables}: {segments}, {bytes}; {copies} still consuming");
            self.warn("left by runs", &words);
        }
        for leftover in &diagnosis.leftovers {
            let run = leftover.run.as_ref();
            let whose = run.map_or("created by an unknown run".to_owned(), |run| format!("run {run}"));
            self.line("table left", &format!("{}: {whose}", leftover.table));
        }
        if diagnosis.leftovers.iter().any(|leftover| leftover.run.is_some()) {
            self.line("", &format!("drop: dissent clean {path} --all"));
        }
    }

    fn conclusion(&mut self, diagnosis: &Diagnosis, file: &TargetFile, path: &str) {
        let obstacles = diagnosis.obstacles(path);
        let system = adapter::system(&file.system);
        let missing = system.and_then(|system| system.missing_line(file));
        let only_reading =
            |needed: &str| format!("read-only: enough for `raw` and `audit`; `run` also needs {needed}");
        let (ink, words) = match obstacles.as_slice() {
            [] if !file.allow.writes => (Ink::Green, only_reading("`writes = true` under [allow]")),
            [] => {
                let workload = system.map_or("WORKLOAD", System::workload);
                let ready = || format!("ready for a run: dissent run {path} {workload} none");
                let words = missing.map_or_else(ready, |it| only_reading(&format!("the line `{}`", it.line)));
                (Ink::Green, words)
            }
            some => (Ink::Red, format!("not ready for a run: {}", some.join("; "))),
        };
        self.out += &format!("{}\n", self.style.paint(ink, &printable(&words)));
    }
}

/// What the user of a target file needs for an audit.
fn audit_needs(file: &TargetFile) -> &'static [&'static str] {
    adapter::system(&file.system).map(System::audit_needs).unwrap_or_default()
}

/// A name that fits the label column. Names of Pinot instances begin with their kind, which is left out.
fn short(who: &str) -> String {
    let bare = who.strip_prefix("Server_").unwrap_or(who);
    bare.chars().take(14).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::capabilities::Leftover;
    use crate::adapter::diagnosis::UnsupportedFault;
    use crate::target_error::Holder;
    use dissent_core::history::fault::FaultKind;

    fn asked(problem: Option<&str>) -> Endpoint {
        let (who, at) = ("controller".to_owned(), "http://c:9000".to_owned());
        Endpoint { who, at, ms: 3, problem: problem.map(str::to_owned), needed: true, status: None }
    }

    fn told(diagnosis: &Diagnosis, allow: bool) -> String {
        told_of("specimen-segments", diagnosis, allow)
    }

    fn told_of(system: &str, diagnosis: &Diagnosis, allow: bool) -> String {
        let mut file = TargetFile::at(system, "http://c:9000");
        file.allow.writes = allow;
        text(diagnosis, &file, "my.toml", Style::default())
    }

    #[test]
    fn it_ends_with_what_comes_next_and_says_why_not() {
        let mut diagnosis = Diagnosis { asked: vec![asked(None)], ..Diagnosis::default() };
        assert!(told(&diagnosis, false).ends_with("`run` also needs `writes = true` under [allow]\n"));
        assert!(told(&diagnosis, true).ends_with("dissent run my.toml partial-upsert none\n"));
        let of_shard = told_of("specimen-shard", &diagnosis, true);
        assert!(of_shard.ends_with("dissent run my.toml upsert-feed none\n"), "{of_shard}");
        assert!(of_shard.contains("writers") && !of_shard.contains("downloads"), "{of_shard}");
        let (run, owner) = ("r@1".to_owned(), "me@here".to_owned());
        diagnosis.holder = Some(Holder { run, owner, seconds: 4, left: 11 });
        assert!(told(&diagnosis, true).contains("run r@1 of me@here (for 4 s now)"));
        diagnosis.asked.push(asked(Some("no answer from http://c:9000: refused")));
        let told = told(&diagnosis, true);
        let busy = "my.toml is in use by run r@1 of me@here (for 4 s now): wait until it ends; if it was \
                    killed, its lock expires in 11 s\n";
        let end = format!("not ready for a run: controller: no answer from http://c:9000: refused; {busy}");
        assert!(told.ends_with(&end), "{told}");
    }

    #[test]
    fn what_was_left_is_told_with_the_command_that_takes_it_away() {
        let leftover = |table: &str, run: Option<&str>| Leftover {
            table: table.to_owned(),
            run: run.map(str::to_owned),
        };
        let mut diagnosis =
            Diagnosis { leftovers: vec![leftover("dissent_1", None)], ..Diagnosis::default() };
        assert!(!told(&diagnosis, true).contains("dissent clean"));
        diagnosis.leftovers.push(leftover("dissent_2", Some("r@1")));
        diagnosis.left_cost = Some(LeftoverCost { segments: 12, consuming: 8, bytes: Some(4_096) });
        diagnosis.boundaries = Some("it is restricted".to_owned());
        diagnosis.cannot =
            vec![UnsupportedFault { fault: FaultKind::Lag { timestamps: 1 }, why: "no shard".to_owned() }];
        let told = told(&diagnosis, true);
        assert!(
            told.contains("dissent_2: run r@1\n") && told.contains("dissent clean my.toml --all"),
            "{told}"
        );
        for line in [
            "2 tables: 12 segments, 4,096 bytes; 8 copies still consuming",
            "segments end after a number of rows: it is restricted",
            "lag: no shard",
        ] {
            assert!(told.contains(line), "{line}: {told}");
        }
    }

    #[test]
    fn the_document_tells_all_and_holds_no_escape_codes() {
        let diagnosis = Diagnosis { asked: vec![asked(None)], ..Diagnosis::default() };
        let file = TargetFile::at("pinot", "http://c:9000");
        let document: Value =
            serde_json::from_str(&json(&diagnosis, &file, "my.toml", 0).expect("JSON")).expect("JSON");
        assert_eq!((&document["exit_code"], &document["allow"]["writes"]), (&json!(0), &json!(false)));
        assert_eq!(document["asked"][0]["ms"], 3);
    }
}
