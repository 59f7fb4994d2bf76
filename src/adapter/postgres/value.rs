//! Values of the schema as PostgreSQL sends and takes them.

use crate::adapter::state::StateRow;
use dissent_core::history::event::Op;
use dissent_core::history::schema::{Schema, Type, Value};
use tokio_postgres::types::{FromSqlOwned, ToSql, Type as SqlType};
use tokio_postgres::{Error, Row};

/// A parameter of a statement.
pub(super) type Parameter = (Box<dyn ToSql + Sync + Send>, SqlType);

/// The parameters of a delete: key and comparison value.
pub(super) fn of_delete(op: &Op) -> Vec<Parameter> {
    vec![(Box::new(op.key.clone()), SqlType::TEXT), (Box::new(op.cmp), SqlType::INT8)]
}

/// The parameters of any other write: key, comparison value, op and columns.
pub(super) fn of_upsert(schema: &Schema, op: &Op) -> Vec<Parameter> {
    let mut all = of_delete(op);
    all.push((Box::new(op.id.cast_signed()), SqlType::INT8));
    all.extend(schema.columns.iter().zip(&op.cols).map(|(column, value)| parameter(column.ty, value)));
    all
}

fn parameter(ty: Type, value: &Value) -> Parameter {
    let sql_type = match ty {
        Type::Long => SqlType::INT8,
        Type::String => SqlType::TEXT,
        Type::LongList => SqlType::INT8_ARRAY,
        Type::StringList => SqlType::TEXT_ARRAY,
    };
    let value: Box<dyn ToSql + Sync + Send> = match (value, ty) {
        (Value::Long(long), _) => Box::new(*long),
        (Value::String(string), _) => Box::new(string.clone()),
        // An empty list of strings is read as one of longs.
        (Value::Longs(list), Type::StringList) if list.is_empty() => Box::new(Vec::<String>::new()),
        (Value::Longs(list), _) => Box::new(list.clone()),
        (Value::Strings(list), _) => Box::new(list.clone()),
        (Value::Null, Type::Long) => Box::new(None::<i64>),
        (Value::Null, Type::String) => Box::new(None::<String>),
        (Value::Null, Type::LongList) => Box::new(None::<Vec<i64>>),
        (Value::Null, Type::StringList) => Box::new(None::<Vec<String>>),
    };
    (value, sql_type)
}

/// A row of [`super::sql::select`].
pub(super) fn row(schema: &Schema, row: &Row) -> Result<StateRow, Error> {
    let cols = (3..).zip(&schema.columns).map(|(at, column)| match column.ty {
        Type::Long => value(row, at, Value::Long),
        Type::String => value(row, at, Value::String),
        Type::LongList => value(row, at, Value::Longs),
        Type::StringList => value(row, at, Value::Strings),
    });
    Ok(StateRow {
        key: row.try_get(0)?,
        cmp: row.try_get(1)?,
        op: row.try_get::<_, i64>(2)?.cast_unsigned(),
        cols: cols.collect::<Result<_, Error>>()?,
    })
}

fn value<T: FromSqlOwned>(row: &Row, at: usize, of: fn(T) -> Value) -> Result<Value, Error> {
    Ok(row.try_get::<_, Option<T>>(at)?.map_or(Value::Null, of))
}
