//! What `--help` says after the options.

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0 pass   1 violation   2 usage or configuration error   3 inconclusive
  4 target unreachable or setup failed   5 a fault may still be in force on the target
  70 a bug in dissent   129, 130, 143 stopped by SIGHUP, SIGINT, SIGTERM, with all faults undone";

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  dissent run specimen-segments partial-upsert late-transition
  dissent run specimen-segments partial-upsert late-transition --set guard=partition-gate
  dissent run sim-segments partial-upsert late-transition --runs 1000 --seed 1
  dissent run sim-segments steady none --format json
  dissent run specimen-shard upsert-feed cold-cutover --set rule=v2-stranding
  dissent run specimen-segments my-workload.toml my-nemesis.toml --plan-only
  dissent run pinot.toml partial-upsert none
  dissent run pinot.toml partial-upsert late-transition --runs 10 --seed 1
  dissent run --like latest
  dissent run --like latest --seed 7 --set guard=partition-gate";

pub(super) const SWEEP_EXAMPLES: &str = "\
Examples:
  dissent sweep night.toml
  dissent sweep night.toml --seed 1 --runs 3000
  dissent sweep night.toml --plan-only
  dissent sweep --resume results/sweep-night-seed1

A plan:
  runs = 1000
  [[arm]]
  target = \"sim-segments\"
  workload = \"partial-upsert\"
  nemesis = \"late-transition\"
  vary = { guard = [\"startup-latch\", \"partition-gate\"] }";

pub(super) const SHRINK_EXAMPLES: &str = "\
Writes workload.toml, nemesis.toml and summary.md, and prints the command that shows the finding with them:
fit for an upstream issue, or as a regression test.

Examples:
  dissent shrink latest
  dissent shrink results/sim-segments-partial-upsert-late-transition-seed7
  dissent shrink latest --finding frozen/writer-output
  dissent shrink latest --budget 2h
  dissent shrink latest --simulate

Exit code 0: shrunk, and the files show the finding; 2: the run has none, or cannot be repeated from its
folder; 3: the finding did not show again.";

pub(super) const INIT_EXAMPLES: &str = "\
Examples:
  dissent init pinot http://controller:9000
  dissent init pinot http://controller:9000 --table acct --out my-pinot.toml
  dissent init pinot https://controller:9443 --ca ca.pem --user dissent --password-env PINOT_PASSWORD
  dissent init postgres postgres://db1:5432/app --user auditor --password-env PGPASSWORD";

pub(super) const DOCTOR_EXAMPLES: &str = "\
Examples:
  dissent doctor pinot.toml
  dissent doctor pinot.toml --format json
  dissent doctor my-store.toml --conformance

Exit code 0: the cluster is ready for a run; 4: something prevents one, or a promise is broken.";

pub(super) const CLEAN_EXAMPLES: &str = "\
Examples:
  dissent clean pinot.toml --dry-run
  dissent clean pinot.toml --run pinot-partial-upsert-none-seed7
  dissent clean pinot.toml --all";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  dissent check latest
  dissent check results/sim-segments-*
  dissent check latest --peers-only
  dissent check latest --known known.toml
  dissent check latest --logs server-logs/";

pub(super) const AUDIT_EXAMPLES: &str = "\
Nothing is written, and no fault is injected. Replicas compute digests where they can; rows are read only
where those differ, and a row counts only if it stands still while every replica consumes what was written
before.

Examples:
  dissent audit pg.toml --table accounts --plan-only
  dissent audit pg.toml --table accounts
  dissent audit pg.toml --table accounts --sample 5 --seed 1
  dissent audit pg.toml --table accounts --show-values
  dissent audit pg.toml --table accounts --resume results/audit-pg-accounts

Exit code 0: the replicas agree; 1: they differ; 3: some of it moved all the time, or could not be read.";

pub(super) const COMPARE_EXAMPLES: &str = "\
Without --position, --later or --settled a difference may be lag: it is shown, and the exit code is 3, unless
rows of one --version differ.

Examples:
  dissent compare server-1.csv server-2.csv server-3.csv --key id --settled
  dissent compare a=dumps/a b=dumps/b c=dumps/c --key tenant,id --version updated_at --ignore loaded_at
  dissent compare a.jsonl.zst b.jsonl.zst --key id --position a=1200 --position b=1200
  dissent compare a.csv b.csv --key id --later a-2.csv b-2.csv --model expected.csv
  dissent compare a=<(psql -h a -c \"copy t to stdout csv header\") b=<(psql -h b -c ..) --key id

Exit code 0: the replicas agree; 1: they differ, and it is not lag; 3: they differ, and it may be lag.";

pub(super) const RAW_EXAMPLES: &str = "\
Examples:
  dissent raw latest p0-k17
  dissent raw results/sim-segments-partial-upsert-late-transition-seed7 p0-k17 --format json
  dissent raw latest p0-k17 --capture 3 --columns balance,ops
  dissent raw pinot.toml k1-15

Exit code 0: nothing is odd; 1: a replica shows something odd, or lacks a row that it should have.";

pub(super) const CAT_EXAMPLES: &str = "\
Examples:
  dissent cat results/latest/events.table.zst | grep '\"type\":\"fault-begin\"'
  dissent cat results/latest/log/0.table.zst results/latest/log/1.table.zst
  dissent cat results/latest/content/*.table.zst | jq -c .cols

Exit code 3: a file is damaged; its lines up to there are printed.";

pub(super) const PACK_EXAMPLES: &str = "\
Keys and values are replaced by keyed hashes: equal ones have equal hashes, and the hash's key is not kept.
Replicas are numbered. URLs, hosts, paths and credentials are left out. What stays: offsets, op ids,
comparison values, counts, times, and the names of columns, segments and statuses.

Examples:
  dissent pack latest
  dissent pack latest --out issue.tar.zst --with-values
  tar --zstd -tvf issue.tar.zst";

pub(super) const PROXY_EXAMPLES: &str = "\
It prints two addresses as one line of JSON. Point the replicas at `listen` (Pinot: controller.vip.host
and controller.vip.port), and write `control` into the target file, as `proxy = \"..\"`.

Example:
  dissent proxy --to 127.0.0.1:9000 --listen 127.0.0.1:9100";

pub(super) const SCHEMA_EXAMPLES: &str = "\
Examples:
  dissent schema verdict > verdict.schema.json
  dissent schema workload > workload.schema.json

With the line `#:schema ./workload.schema.json` at the top of a file, editors complete and check it.";

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  dissent list
  dissent list nemeses late-transition
  dissent list fields workload
  dissent list fields nemesis.step.until";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  dissent completions bash > ~/.local/share/bash-completion/completions/dissent
  dissent completions zsh > ~/.zfunc/_dissent
  dissent completions fish > ~/.config/fish/completions/dissent.fish";

pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  dissent man | man -l -
  dissent man run | man -l -
  dissent man --out ~/.local/share/man/man1";
