//! Files that hold data, by their first bytes: by its name alone nothing is taken for one.

/// Offset, bytes, and what has them there.
const MAGICS: &[(usize, &[u8], &str)] = &[
    (0, b"SQLite format 3\0", "SQLite database"),
    // A write-ahead log of SQLite, in either byte order (sqlite.org/fileformat2.html, 4.1).
    (0, &[0x37, 0x7f, 0x06, 0x82], "SQLite write-ahead log"),
    (0, &[0x37, 0x7f, 0x06, 0x83], "SQLite write-ahead log"),
    (8, b"DUCK", "DuckDB database"),
    // LMDB's MDB_MAGIC behind the header of its first page.
    (16, &[0xde, 0xc0, 0xef, 0xbe], "LMDB database"),
    (16, &[0xed, 0xda, 0x0c, 0xed], "bbolt database"),
    (0, b"REDIS0", "Redis dump"),
    (0, b"MANIFEST-", "LevelDB or RocksDB database"),
    (0, b"WiredTiger", "WiredTiger database"),
    (0, b"H:2,block:", "H2 database"),
    (0, b"PAR1", "Parquet file"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5 file"),
    // CodecUtil.CODEC_MAGIC.
    (0, &[0x3f, 0xd7, 0x6c, 0x17], "Lucene index"),
    (4, b"Standard Jet DB", "Access database"),
    (4, b"Standard ACE DB", "Access database"),
];

/// What begins like this.
pub(super) fn name(head: &[u8]) -> Option<&'static str> {
    let has = |(at, bytes, _): &&(usize, &[u8], &str)| head.get(*at..).is_some_and(|rest| rest.starts_with(bytes));
    MAGICS.iter().find(has).map(|(_, _, name)| *name)
}
