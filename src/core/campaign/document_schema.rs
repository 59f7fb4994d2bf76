//! The JSON Schema of `campaign.json`, generated from its types and their comments.

use super::document::CampaignDocument;
use crate::checker::verdict::document_schema::adapt;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};

/// The schema (draft 2020-12), as pretty text ending in a newline.
pub fn schema() -> Result<String, serde_json::Error> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<CampaignDocument>();
    schema.insert("title".to_owned(), "campaign.json".into());
    schema.insert("$id".to_owned(), "urn:dissent:campaign:1".into());
    RecursiveTransform(adapt).transform(&mut schema);
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}
