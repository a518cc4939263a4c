// Package benchmarks measures the library against what a user would take instead, in one run and with the same event. It is a module
// of its own, so that no user of the library gets its dependencies. make bench runs it and writes the README's table.
package benchmarks
