//! The names of a projection's tables, checked where they would need care.

use cqrs_core::{Failure, Generation, InvalidName, ProjectionName, ReadModelError};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::index::Index;
use crate::schema::Schema;

/// PostgreSQL cuts longer names off, without an error.
const MOST_BYTES: usize = 63;

/// `$` and the ten digits of the largest generation.
const GENERATION_BYTES: usize = 11;

/// The tables of one projection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    schema: &'a Schema,
    projection: &'a ProjectionName,
}

impl<'a> Names<'a> {
    /// Projections that are too long for the names of their tables have none.
    pub fn new(schema: &'a Schema, projection: &'a ProjectionName) -> Result<Self, ReadModelError> {
        const MOST: usize = MOST_BYTES - GENERATION_BYTES;
        if projection.as_str().len() > MOST {
            let what = format!(
                "projection {projection} has a name of more than {MOST} bytes, which is too long for its tables in PostgreSQL"
            );
            return Err(ReadModelError::Permanent(Failure::new(what)));
        }
        Ok(Self { schema, projection })
    }

    /// Puts the names into a statement.
    ///
    /// Safe: schema and projection are checked to hold nothing that ends a quoted name, and a generation is a number.
    pub fn render(&self, sql: &str, generation: Generation) -> SqlStr {
        AssertSqlSafe(self.fill(sql, generation)).into_sql_str()
    }

    /// Puts names and definition of an index into a statement.
    ///
    /// Safe: its name is checked like the others, and its definition is a constant of the program.
    pub fn render_index(&self, sql: &str, generation: Generation, index: &Index) -> Result<SqlStr, ReadModelError> {
        let most = MOST_BYTES - GENERATION_BYTES - 1 - self.projection.as_str().len();
        if index.name.len() > most {
            let what =
                format!("index {} of projection {} has a name of more than {most} bytes", index.name, self.projection);
            return Err(ReadModelError::Permanent(Failure::new(what)));
        }
        let sql = self.fill(sql, generation).replace("{index}", index.name).replace("{definition}", index.definition);
        Ok(AssertSqlSafe(sql).into_sql_str())
    }

    fn fill(&self, sql: &str, generation: Generation) -> String {
        let sql = self.schema.render(sql).replace("{projection}", self.projection.as_str());
        sql.replace("{generation}", &generation.to_string())
    }
}

/// What may stand between double quotes, and reads well without them.
pub(super) fn check_index(name: &str) -> Result<(), InvalidName> {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MOST_BYTES - GENERATION_BYTES {
        "it is too long"
    } else if !name.bytes().all(allowed) {
        "only ASCII lower-case letters, digits and `_` are allowed"
    } else {
        return Ok(());
    };
    Err(InvalidName { kind: "index", value: name.chars().take(80).collect(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_postgresql_would_cut_off_are_refused() {
        let schema = Schema::default();
        let (longest, longer) =
            (ProjectionName::new("p".repeat(52)).unwrap(), ProjectionName::new("p".repeat(53)).unwrap());
        let table = Names::new(&schema, &longest).unwrap().fill("{projection}${generation}", Generation::new(u32::MAX));
        assert_eq!(table.len(), MOST_BYTES);
        assert!(Names::new(&schema, &longer).unwrap_err().to_string().contains("refused"));

        let projection = ProjectionName::new("p".repeat(40)).unwrap();
        let names = Names::new(&schema, &projection).unwrap();
        let render = |name| {
            names.render_index(
                "{projection}${generation}${index}",
                Generation::new(u32::MAX),
                &Index { name, definition: "" },
            )
        };
        assert_eq!(render("elevenbytes").unwrap().as_str().len(), MOST_BYTES);
        assert!(matches!(render("twelve_bytes"), Err(ReadModelError::Permanent(_))));
    }

    #[test]
    fn an_index_has_a_name_that_needs_no_quotes() {
        assert!(check_index("by_total2").is_ok());
        for bad in ["", "By", "a-b", "a\"b", "a b", "a$b", &"x".repeat(60)] {
            assert!(check_index(bad).is_err(), "{bad:?}");
        }
    }
}
