// Package drivers reads the types of real databases through package retl, with the drivers that are most in use. It is a module of its
// own, so that no user of the library gets them. It has tests only: those of PostgreSQL need a server, which .ci/postgres gives them.
package drivers
