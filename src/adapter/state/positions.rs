//! The positions of a store's replicas, as samples.

use super::StateStore;
use crate::adapter::contents::PositionSample;
use crate::target_error::TargetError;
use std::collections::BTreeMap;

/// One look at every replica of a store. One that does not answer is left out.
pub(in crate::adapter) async fn positions_of(
    store: &dyn StateStore,
) -> Result<Vec<PositionSample>, TargetError> {
    let Some(u1) = store.upstream().await? else { return Ok(Vec::new()) };
    let mut states = BTreeMap::new();
    for replica in store.replicas() {
        if let Ok(state) = store.replica(&replica).await {
            states.insert(replica, state);
        }
    }
    let u2 = store.upstream().await?.unwrap_or(u1);
    let samples = states.into_iter().filter_map(|(replica, state)| {
        let (incarnation, status) = (state.incarnation, state.status);
        Some(PositionSample { replica, partition: 0, u1, f: state.position?, u2, status, incarnation })
    });
    Ok(samples.collect())
}
