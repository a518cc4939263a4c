package retl

import (
	"database/sql"
	"reflect"
	"strings"
)

// A kind is what a column holds, as far as its values do not say so themselves.
type kind uint8

const (
	kindUnknown  kind = iota // bytes are text where they can be
	kindText                 // bytes are text
	kindBytes                // bytes are not
	kindBits                 // MySQL's BIT: bytes are a number
	kindBool                 // numbers and text are bool
	kindNumber               // text is a number
	kindDate                 // times have no time of day
	kindTime                 // times have no date
	kindTimeZone             // nor these, but a zone
	kindStamp                // text is a time
	kindJSON                 // text is JSON
	kindUUID                 // 16 bytes are a UUID
	kindGUID                 // SQL Server's order of the same bytes
)

// kinds are the databases' names of types, in upper case and without what is in parentheses. Names that begin with TIMESTAMP or DATETIME
// are not among them.
var kinds = map[string]kind{
	"BOOL": kindBool, "BOOLEAN": kindBool,

	"INT": kindNumber, "INTEGER": kindNumber, "TINYINT": kindNumber, "SMALLINT": kindNumber, "MEDIUMINT": kindNumber,
	"BIGINT": kindNumber, "BIG INT": kindNumber, "HUGEINT": kindNumber, "UHUGEINT": kindNumber, "BYTEINT": kindNumber,
	"INT2": kindNumber, "INT4": kindNumber, "INT8": kindNumber, "INT64": kindNumber, "OID": kindNumber, "YEAR": kindNumber,
	"NUMERIC": kindNumber, "DECIMAL": kindNumber, "DEC": kindNumber, "NUMBER": kindNumber, "FIXED": kindNumber, "DECFLOAT": kindNumber,
	"BIGNUMERIC": kindNumber, "BIGDECIMAL": kindNumber, "MONEY": kindNumber, "SMALLMONEY": kindNumber,
	"REAL": kindNumber, "FLOAT": kindNumber, "FLOAT4": kindNumber, "FLOAT8": kindNumber, "FLOAT64": kindNumber,
	"DOUBLE": kindNumber, "DOUBLE PRECISION": kindNumber, "BINARY_FLOAT": kindNumber, "BINARY_DOUBLE": kindNumber,

	"DATE": kindDate, "DATE32": kindDate,
	"TIME": kindTime, "TIME WITHOUT TIME ZONE": kindTime,
	"TIMETZ": kindTimeZone, "TIME WITH TIME ZONE": kindTimeZone,
	"SMALLDATETIME": kindStamp,

	"JSON": kindJSON, "JSONB": kindJSON, "VARIANT": kindJSON, "OBJECT": kindJSON, "ARRAY": kindJSON, "MAP": kindJSON,
	"STRUCT": kindJSON, "SUPER": kindJSON,

	"UUID": kindUUID, "UNIQUEIDENTIFIER": kindGUID,

	"BYTEA": kindBytes, "BLOB": kindBytes, "TINYBLOB": kindBytes, "MEDIUMBLOB": kindBytes, "LONGBLOB": kindBytes, "BINARY": kindBytes,
	"VARBINARY": kindBytes, "BINARY VARYING": kindBytes, "VARBYTE": kindBytes, "BYTES": kindBytes, "IMAGE": kindBytes, "RAW": kindBytes,
	"LONG RAW": kindBytes, "ROWVERSION": kindBytes, "GEOMETRY": kindBytes, "GEOGRAPHY": kindBytes,

	"TEXT": kindText, "TINYTEXT": kindText, "MEDIUMTEXT": kindText, "LONGTEXT": kindText, "NTEXT": kindText, "STRING": kindText,
	"CHAR": kindText, "NCHAR": kindText, "BPCHAR": kindText, "CHARACTER": kindText, "NATIVE CHARACTER": kindText,
	"VARCHAR": kindText, "NVARCHAR": kindText, "VARCHAR2": kindText, "NVARCHAR2": kindText, "CHARACTER VARYING": kindText,
	"VARYING CHARACTER": kindText, "CLOB": kindText, "NCLOB": kindText, "DBCLOB": kindText, "NAME": kindText, "CITEXT": kindText,
	"ENUM": kindText, "SET": kindText, "XML": kindText, "INTERVAL": kindText, "TSVECTOR": kindText,
}

// Scan types of drivers that name no type, or an ambiguous one.
var (
	ofBool     = reflect.TypeFor[bool]()
	ofNullBool = reflect.TypeFor[sql.NullBool]()
	ofBytes    = reflect.TypeFor[[]byte]()
	ofRaw      = reflect.TypeFor[sql.RawBytes]()
)

// kindOf finds out what a column holds by the name of its type, its length where it has one (else 0), and the Go type that the driver would
// scan it to, which may be nil.
func kindOf(name string, length int64, scan reflect.Type) kind {
	name = strings.ToUpper(strings.TrimSpace(name))
	base, rest, _ := strings.Cut(name, "(") // DECIMAL(10,2), as SQLite declares it
	if _, after, ok := strings.Cut(rest, ")"); ok {
		base += after // TIME(6) WITH TIME ZONE
	}
	base = strings.TrimSpace(base)
	base = strings.TrimSuffix(strings.TrimPrefix(base, "UNSIGNED "), " UNSIGNED")
	isBytes := scan == ofBytes || scan == ofRaw
	switch {
	case base == "TINYINT" && (length == 1 || strings.HasPrefix(rest, "1)")):
		return kindBool
	case base == "BIT" && isBytes:
		return kindBits
	case base == "BIT":
		return kindText // SQL Server's is bool, PostgreSQL's is text
	case strings.HasPrefix(base, "TIMESTAMP"), strings.HasPrefix(base, "DATETIME"):
		return kindStamp
	}
	if k, known := kinds[base]; known {
		return k
	}
	switch {
	case scan == ofBool || scan == ofNullBool:
		return kindBool
	case isBytes:
		return kindBytes
	}
	return kindUnknown
}
