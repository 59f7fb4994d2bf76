//! What a server shows of its segments.

use specimen::Value;
use specimen::segments::World;

/// The values that a server shows in a raw row. None if the server does not hold it.
pub(crate) fn shown(world: &World, server: &str, segment: &str, off: u64) -> Option<Vec<Value>> {
    let (_, row) = world.rows(server, segment, off, off + 1)?.next()?;
    Some(row.shown(world.defaults()).cloned().collect())
}

/// How a server got its copy of a segment. None if it has none.
pub(crate) fn committed_on(world: &World, server: &str, segment: &str) -> Option<String> {
    let covers = world.coverage(server)?.covers;
    let cover = covers.into_iter().find(|cover| *cover.segment == *segment)?;
    Some(format!("{:?}", cover.state))
}
