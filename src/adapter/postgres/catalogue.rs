//! The columns of a table as its servers have them.

use super::roster::{PRIMARY, Roster};
use super::server::PostgresServer;
use super::sql::{literal, quoted};
use crate::target_error::TargetError;
use dissent_core::history::schema::{Column, Merge, Type};
use tokio_postgres::Row;

/// A table that is wider is compared by its first columns.
const COLUMNS_MAX: usize = 1_000;

/// A column of the catalogue.
pub(super) struct CatalogueColumn {
    pub(super) name: String,
    /// Its type, as PostgreSQL writes it.
    pub(super) ty: String,
    /// Whether the user may read it.
    is_granted: bool,
}

impl CatalogueColumn {
    /// The column as it is compared.
    pub(super) fn compared(&self) -> Column {
        let ty = match self.ty.as_str() {
            "smallint" | "integer" | "bigint" => Type::Long,
            "double precision" | "real" => Type::Double,
            "boolean" => Type::Boolean,
            "json" | "jsonb" => Type::Json,
            "bytea" => Type::Bytes,
            ty if ty.starts_with("numeric") => Type::Decimal,
            ty if ty.starts_with("timestamp") => Type::Timestamp,
            _ => Type::String,
        };
        Column::data(&self.name, ty, Merge::Overwrite)
    }
}

/// The columns that all servers show alike.
pub(super) struct SharedColumns {
    /// The columns of the primary key, in its order.
    pub(super) key: Vec<CatalogueColumn>,
    /// The others, in the order of the table.
    pub(super) others: Vec<CatalogueColumn>,
    /// Those that some server does not show, each with the reason.
    pub(super) left_out: Vec<(String, String)>,
}

impl SharedColumns {
    /// Reads the catalogues of all servers. Fails if the table has no primary key that all show.
    pub(super) async fn of(roster: &Roster, table: &str) -> Result<SharedColumns, TargetError> {
        let primary = &roster.primary;
        let (mut common, hidden): (Vec<_>, Vec<_>) =
            catalogue(primary, table).await?.into_iter().partition(|column| column.is_granted);
        let hidden = hidden.into_iter().map(|column| (column.name, format!("no SELECT on it at {PRIMARY}")));
        let mut left_out: Vec<(String, String)> = hidden.collect();
        for server in &roster.others {
            let there = catalogue(server, table).await?;
            common.retain(|column| {
                let there = there.iter().find(|other| other.name == column.name && other.ty == column.ty);
                let why = match there {
                    Some(column) if column.is_granted => return true,
                    Some(_) => format!("no SELECT on it at {}", server.name),
                    None => format!("{} has no such column, or one of another type", server.name),
                };
                left_out.push((column.name.clone(), why));
                false
            });
        }
        let names = key_of(primary, table).await?;
        if names.is_empty() {
            return Err(primary.refused(format!("{table} has no primary key, by which rows are compared")));
        }
        let mut key = Vec::new();
        for name in names {
            let Some(at) = common.iter().position(|column| column.name == name) else {
                let problem = format!("not every server shows the column {name} of the key of {table}");
                return Err(primary.refused(problem));
            };
            key.push(common.remove(at));
        }
        let beyond = common.split_off(COLUMNS_MAX.min(common.len())).into_iter();
        left_out.extend(beyond.map(|it| (it.name, format!("it is beyond the first {COLUMNS_MAX} columns"))));
        Ok(SharedColumns { key, others: common, left_out })
    }
}

/// The columns of a table, in order. Fails if the user may read none of them.
async fn catalogue(server: &PostgresServer, table: &str) -> Result<Vec<CatalogueColumn>, TargetError> {
    let question = format!(
        "select attname::text, format_type(atttypid, atttypmod), \
         has_column_privilege(attrelid, attnum, 'select') from pg_attribute \
         where attrelid = {}::regclass and attnum > 0 and not attisdropped order by attnum",
        literal(table)
    );
    let column = |row: &Row| {
        let (name, ty) = (server.get(row, 0)?, server.get(row, 1)?);
        Ok(CatalogueColumn { name, ty, is_granted: server.get(row, 2)? })
    };
    let rows = server.ask(&question, &[]).await?;
    let columns = rows.iter().map(column).collect::<Result<Vec<_>, TargetError>>()?;
    match columns.iter().any(|column| column.is_granted) {
        true => Ok(columns),
        false => {
            let grant = format!("grant select on {table} to {}", quoted(server.user()));
            Err(server.refused(format!("the user may not read {table}; an administrator can `{grant}`")))
        }
    }
}

/// The columns of the primary key, in its order.
async fn key_of(server: &PostgresServer, table: &str) -> Result<Vec<String>, TargetError> {
    let question = format!(
        "select attname::text from pg_index join unnest(indkey) with ordinality as k(at, nth) on true \
         join pg_attribute on attrelid = indrelid and attnum = k.at \
         where indrelid = {}::regclass and indisprimary order by k.nth",
        literal(table)
    );
    server.ask(&question, &[]).await?.iter().map(|row| server.get(row, 0)).collect()
}
