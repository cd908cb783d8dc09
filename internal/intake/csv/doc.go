// Package csv reads records from files as DIVOC's clients make them: 28 columns, one
// dose or one test in a row. It reads in flat memory, finds out what can be
// found out for certain (delimiter, encoding, dates whose order is plain), and
// asks for what cannot. What is wrong with a row is said about that row, in the
// names of its columns; the rows after it are read all the same.
//
// docs/uploads.md describes the format for those who make the files.
package csv
