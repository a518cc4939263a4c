// Package retl is reverse ETL: rows of a warehouse, objects of a CRM or lines of a file become profiles, again and again, and only
// what has changed since the last time travels.
package retl
