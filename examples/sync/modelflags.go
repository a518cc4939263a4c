package main

import (
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/segmentprofiles/segmentprofiles-go/profiles/retl"
)

// modelOptions are the flags of a model.
type modelOptions struct {
	sqlite, table, query string
	csv                  string
	comma                rune
	types                map[string]retl.ColumnType

	name, id, key  string
	ignore         []string
	ordered        bool
	state          string // empty in a dry run, or a preflight, that has none
	limit          int
	resend, reset  bool
	preflight      bool
	allowEmpty     bool
	maxFailureRate float64
}

// modelTexts and modelSwitches are the flags that only a model has, with a value and without one.
var (
	modelTexts = [...]string{
		"sqlite", "table", "query", "csv", "types", "comma", "key", "state", "model", "model-id", "ignore", "limit", "max-failure-rate",
	}
	modelSwitches = [...]string{"ordered", "resend", "reset", "allow-empty", "preflight"}
)

// parseModel reads the flags of a model; nil is none. What is wrong goes to problem, without a value.
func parseModel(o *options, values map[string]*value, problem func(name, reason string)) *modelOptions {
	text := func(name string) string { return values[name].text }
	m := &modelOptions{
		sqlite: text("sqlite"), table: text("table"), query: text("query"), csv: text("csv"),
		name: text("model"), id: text("model-id"), key: text("key"), state: text("state"),
	}
	if m.sqlite == "" && m.csv == "" {
		for _, name := range slices.Concat(modelTexts[:], modelSwitches[:]) {
			if values[name].given && text(name) != "" {
				problem(name, "needs -sqlite or -csv")
			}
		}
		return nil
	}
	apart(values, problem)
	for _, needed := range []struct{ name, text, why string }{
		{"key", m.key, "the column whose value no two rows share"},
		{"state", m.state, "a file that remembers what was sent; it need not be there yet"},
		{"destination", o.destination, "a file with the mappings"},
	} {
		if needed.text == "" && !values[needed.name].given && (needed.name != "state" || !o.dryRun && values["preflight"].text == "false") {
			problem(needed.name, "is needed: "+needed.why)
		}
	}
	m.numbers(values, problem)
	for name, to := range map[string]*bool{
		"ordered": &m.ordered, "resend": &m.resend, "reset": &m.reset, "allow-empty": &m.allowEmpty, "preflight": &m.preflight,
	} {
		var err error
		if *to, err = strconv.ParseBool(text(name)); err != nil {
			problem(name, "takes no value")
		}
	}
	if m.resend && m.reset {
		problem("resend", "must not be given beside -reset, which has all rows sent as well")
	}
	if text("ignore") != "" {
		m.ignore = strings.Split(text("ignore"), ",")
	}
	m.layout(values, problem)
	if m.name == "" {
		m.name = m.table
	}
	if m.name == "" {
		file := filepath.Base(m.sqlite + m.csv)
		m.name = strings.TrimSuffix(file, filepath.Ext(file))
	}
	return m
}

// apart finds flags that do not go together.
func apart(values map[string]*value, problem func(name, reason string)) {
	given := func(name string) bool { v := values[name]; return v.given && v.text != "false" }
	for _, pair := range [][3]string{
		{"csv", "sqlite", "a run has one model"},
		{"events", "sqlite", "a run has one source"},
		{"events", "csv", "a run has one source"},
		{"replay", "sqlite", "-resend sends all rows again"},
		{"replay", "csv", "-resend sends all rows again"},
		{"checkpoint", "state", "a state knows what was sent of each row"},
		{"checkpoint", "sqlite", "-state remembers what was sent"},
		{"checkpoint", "csv", "-state remembers what was sent"},
		{"query", "table", "a model has the rows of one of them"},
		{"query", "csv", "it is for -sqlite"},
		{"table", "csv", "it is for -sqlite"},
		{"types", "sqlite", "it is for -csv"},
		{"comma", "sqlite", "it is for -csv"},
	} {
		if given(pair[0]) && given(pair[1]) {
			problem(pair[0], "must not be given beside -"+pair[1]+": "+pair[2])
		}
	}
	for _, name := range []string{"dry-run", "dead-letter", "spool", "reset"} {
		if given("preflight") && given(name) {
			problem(name, "must not be given beside -preflight, which sends nothing and leaves the state as it is")
		}
	}
	if given("dry-run") {
		for _, name := range []string{"report", "dead-letter"} {
			if given(name) {
				problem(name, "must not be given beside -dry-run of a model, which prints all that there is to tell")
			}
		}
	}
}

func (m *modelOptions) numbers(values map[string]*value, problem func(name, reason string)) {
	var err error
	if text := values["limit"].text; text != "" {
		if m.limit, err = strconv.Atoi(text); err != nil || m.limit < 0 {
			problem("limit", "must be a whole number, 0 for all")
		}
	}
	if text := values["max-failure-rate"].text; text != "" {
		m.maxFailureRate, err = strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(m.maxFailureRate) || m.maxFailureRate < 0 || m.maxFailureRate > 1 {
			problem("max-failure-rate", "must be from 0 to 1, 0 for no limit")
		}
	}
}

// layout reads what a CSV is like.
func (m *modelOptions) layout(values map[string]*value, problem func(name, reason string)) {
	switch text := values["comma"].text; {
	case text == "":
	case text == "tab" || text == `\t`:
		m.comma = '\t'
	case utf8.RuneCountInString(text) == 1 && !strings.ContainsAny(text, "\"\r\n\ufffd"):
		m.comma, _ = utf8.DecodeRuneInString(text)
	default:
		problem("comma", "must be one character, or tab")
	}
	if values["types"].text == "" {
		return
	}
	m.types = make(map[string]retl.ColumnType)
	for item := range strings.SplitSeq(values["types"].text, ",") {
		column, word, ok := strings.Cut(item, "=")
		i := slices.IndexFunc(columnTypes[:], func(t retl.ColumnType) bool { return t.String() == word })
		if !ok || column == "" || i < 0 {
			problem("types", "must be a list of column=type with a comma between them, the types text, number, bool or json")
			return
		}
		m.types[column] = columnTypes[i]
	}
}

var columnTypes = [...]retl.ColumnType{retl.ColumnText, retl.ColumnNumber, retl.ColumnBool, retl.ColumnJSON}
