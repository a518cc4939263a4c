package transport

import (
	"errors"
	"strings"

	"github.com/segmentprofiles/segmentprofiles-go/region"
)

// A ConfigError lists all that is wrong with a configuration.
type ConfigError struct {
	// Fields are the problems, in the order of the configuration's fields; there is at least one.
	Fields []FieldError
}

// A FieldError is what is wrong with one field of a configuration.
type FieldError struct {
	// Field is the name of the field, in a nested configuration with the names before it, as in OAuth.AppID.
	Field string
	// Reason is the rule that the field breaks. It never holds the field's value.
	Reason string
}

// Error lists the problems in one line.
func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString("transport: invalid configuration: ")
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Field + " " + f.Reason)
	}
	return b.String()
}

func (e *ConfigError) add(field, reason string) {
	e.Fields = append(e.Fields, FieldError{field, reason})
}

// addURL adds what package region finds wrong with a base URL.
func (e *ConfigError) addURL(field string, err error) {
	reason := err.Error()
	if wrong, ok := errors.AsType[*region.URLError](err); ok {
		reason = wrong.Reason // the field says that it is a URL
	}
	e.add(field, reason)
}

func (e *ConfigError) orNil() error {
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}
