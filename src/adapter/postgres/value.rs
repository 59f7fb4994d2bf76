//! Values of the schema as PostgreSQL sends and takes them.

use crate::adapter::state::StateRow;
use dissent_core::history::canonical;
use dissent_core::history::event::Op;
use dissent_core::history::schema::{Schema, Type, Value};
use tokio_postgres::types::{FromSqlOwned, ToSql, Type as SqlType};
use tokio_postgres::{Error, Row};

/// A parameter of a statement.
pub(super) type Parameter = (Box<dyn ToSql + Sync + Send>, SqlType);

/// The parameters of a delete: key and comparison value.
pub(super) fn of_delete(op: &Op) -> Vec<Parameter> {
    vec![(Box::new(op.key.to_string()), SqlType::TEXT), (Box::new(op.cmp), SqlType::INT8)]
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
        Type::Double => SqlType::FLOAT8,
        Type::Boolean => SqlType::BOOL,
        Type::String | Type::Decimal | Type::Timestamp | Type::Bytes | Type::Json => SqlType::TEXT,
        Type::LongList => SqlType::INT8_ARRAY,
        Type::StringList => SqlType::TEXT_ARRAY,
    };
    let value: Box<dyn ToSql + Sync + Send> = match (value, ty) {
        (Value::Boolean(boolean), _) => Box::new(*boolean),
        (Value::Long(long), _) => Box::new(*long),
        (Value::Double(double), _) => Box::new(double.get()),
        (Value::String(name), Type::Double) => Box::new(name.parse::<f64>().ok()),
        (Value::String(string), _) => Box::new(string.to_string()),
        // An empty list of strings is read as one of longs.
        (Value::Longs(list), Type::StringList) if list.is_empty() => Box::new(Vec::<String>::new()),
        (Value::Longs(list), _) => Box::new(list.to_vec()),
        (Value::Strings(list), _) => Box::new(list.iter().map(|text| text.to_string()).collect::<Vec<_>>()),
        (Value::Null, Type::Long) => Box::new(None::<i64>),
        (Value::Null, Type::Double) => Box::new(None::<f64>),
        (Value::Null, Type::Boolean) => Box::new(None::<bool>),
        (Value::Null, Type::String | Type::Decimal | Type::Timestamp | Type::Bytes | Type::Json) => {
            Box::new(None::<String>)
        }
        (Value::Null, Type::LongList) => Box::new(None::<Vec<i64>>),
        (Value::Null, Type::StringList) => Box::new(None::<Vec<String>>),
    };
    (value, sql_type)
}

/// A row of [`super::sql::select`].
pub(super) fn row(schema: &Schema, row: &Row) -> Result<StateRow, Error> {
    let cols = (3..).zip(&schema.columns).map(|(at, column)| match column.ty {
        Type::Long => value(row, at, Value::Long),
        Type::Double => value(row, at, Value::double),
        Type::Boolean => value(row, at, Value::Boolean),
        Type::String => value(row, at, |text: String| Value::String(text.into())),
        ty @ (Type::Decimal | Type::Timestamp | Type::Bytes | Type::Json) => {
            let text: Option<String> = row.try_get(at)?;
            // What PostgreSQL shows and this program cannot read is shown as it is.
            Ok(text.map_or(Value::Null, |text| {
                canonical::value(ty, &text).unwrap_or(Value::String(text.into()))
            }))
        }
        Type::LongList => value(row, at, |longs: Vec<i64>| Value::Longs(longs.into())),
        Type::StringList => {
            value(row, at, |texts: Vec<String>| Value::Strings(texts.into_iter().map(Into::into).collect()))
        }
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
