"""The schema of a database as a set of lines, one for each column, constraint, index, trigger and so on: two databases
with the same set behave alike, in whatever order their columns stand and however their SQL is laid out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollbook.storage.database import Database, Queries

# Of both, what migrations need for themselves is left out.
_SQLITE = """
    SELECT 'table', t.name, t.type, t.wr, t.strict FROM pragma_table_list AS t WHERE schema = 'main'
    UNION ALL SELECT 'column', t.name, c.name, c.type, concat_ws(' ', c."notnull", c.dflt_value, c.pk, c.hidden)
      FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c WHERE t.schema = 'main'
    UNION ALL SELECT 'index', t.name, iif(i.origin = 'c', i.name, i.origin), i."unique",
        (SELECT group_concat(concat_ws(' ', x.name, x.desc, x.coll), ', ') FROM pragma_index_xinfo(i.name) AS x WHERE x.key)
      FROM pragma_table_list AS t, pragma_index_list(t.name) AS i WHERE t.schema = 'main'
    UNION ALL SELECT type, tbl_name, name, '', sql FROM sqlite_schema WHERE sql IS NOT NULL AND type <> 'table'
    UNION ALL SELECT 'options', name, '', '', (SELECT group_concat(k || '=' || v) FROM user_search_config)
        || (SELECT group_concat(k || '=' || v) FROM user_words_config) FROM sqlite_schema WHERE name = 'user_search'
    UNION ALL SELECT 'words', name, '', '', concat(sql LIKE '%AUTOINCREMENT%', sql LIKE '%CHECK (only = 1)%',
        sql LIKE '%GENERATED ALWAYS AS (strftime(''%Y-%m-%dT%H:%M:%SZ'', created_at / 1000000, ''unixepoch'')) STORED%',
        sql LIKE '%USING fts5%' AND sql) FROM sqlite_schema WHERE type = 'table'"""
_POSTGRESQL = """
    WITH tables AS (SELECT * FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    SELECT 'table', relname::text, relkind::text, '', array_to_string(reloptions, ' ')
      FROM tables WHERE relkind IN ('r', 'v', 'S')
    UNION ALL SELECT 'column', relname, attname, format_type(atttypid, atttypmod), concat_ws(' ', attnotnull,
        (SELECT collname FROM pg_collation AS c WHERE c.oid = attcollation), pg_get_expr(adbin, adrelid), attgenerated)
      FROM tables JOIN pg_attribute ON attrelid = tables.oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      WHERE attnum > 0 AND NOT attisdropped AND relkind = 'r'
    UNION ALL SELECT 'constraint', relname, conname, '', pg_get_constraintdef(c.oid)
      FROM pg_constraint AS c JOIN tables ON conrelid = tables.oid WHERE contype <> 'n'
    UNION ALL SELECT 'index', '', relname, indisvalid::text, pg_get_indexdef(indexrelid)
      FROM pg_index JOIN tables ON tables.oid = indexrelid
    UNION ALL SELECT 'trigger', relname, tgname, tgenabled::text, pg_get_triggerdef(t.oid)
      FROM pg_trigger AS t JOIN tables ON tgrelid = tables.oid WHERE NOT tgisinternal
    UNION ALL SELECT 'function', '', proname, '', pg_get_functiondef(p.oid) FROM pg_proc AS p
      WHERE pronamespace = 'public'::regnamespace AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = p.oid AND deptype = 'e')"""


def objects(db: Database) -> set[str]:
    return db.read_now(_objects)


async def _objects(queries: Queries) -> set[str]:
    rows = await queries.all(_SQLITE if queries.engine == "sqlite" else _POSTGRESQL)
    return set(_lines([[str(value) for value in row] for row in rows]))


def _lines(rows: list[list[str]]) -> Iterator[str]:
    for row in rows:
        if "migrations" not in row[1] + row[2]:
            yield re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", " | ".join(row))).strip()
