// Command table reads the output of the benchmarks on standard input, and writes the README's table of them: medians of each round's
// ratios, as times alone say more about the machine than about the code.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: table README < benchmarks")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(readme string, in io.Reader) error {
	results, err := read(in)
	if err != nil {
		return err
	}
	table, err := rows(results)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has no place for the table", readme)
	}
	return os.WriteFile(readme, []byte(before+begin+table+end+after), 0o644)
}

// The table's place in the README.
const (
	begin = "<!-- benchmarks -->\n"
	end   = "<!-- end of benchmarks -->"
)

// results are the figures of the benchmarks, by name and unit, one for each run.
type results map[string]map[string][]float64

func read(in io.Reader) (results, error) {
	all := make(results)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 { // how many processors
			name = name[:i]
		}
		if all[name] == nil {
			all[name] = make(map[string][]float64)
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: a figure is none", name)
			}
			all[name][fields[i+1]] = append(all[name][fields[i+1]], v)
		}
	}
	return all, lines.Err()
}

// median returns a benchmark's median, and an error where it was not run.
func (r results) median(name, unit string) (float64, error) {
	if len(r[name][unit]) == 0 {
		return 0, fmt.Errorf("there is no %s of %s", unit, name)
	}
	return median(r[name][unit]), nil
}

// ratio returns the median of the ratios of two benchmarks in each round: what slows a round down slows both.
func (r results) ratio(a, b, unit string) (float64, error) {
	of, to := r[a][unit], r[b][unit]
	if len(of) == 0 || len(of) != len(to) {
		return 0, fmt.Errorf("there are %d rounds with a %s of %s, and %d of %s", len(of), unit, a, len(to), b)
	}
	ratios := make([]float64, len(of))
	for i := range of {
		ratios[i] = of[i] / to[i]
	}
	return median(ratios), nil
}

func median(runs []float64) float64 {
	runs = slices.Sorted(slices.Values(runs))
	middle := len(runs) / 2
	if len(runs)%2 == 0 {
		return (runs[middle-1] + runs[middle]) / 2
	}
	return runs[middle]
}

// A row compares two benchmarks by what one operation takes, or shows one figure.
type row struct {
	text       string
	name, unit string
	against    string // of the same unit; empty: the figure itself
	form       string
}

var table = []row{
	{"a typed message, against posthog-go", "TypedPath", "ns/op", "PeerPosthog", "%.1f times its throughput"},
	{"the same with gzip on both sides", "TypedPathGzip", "ns/op", "PeerPosthogGzip", "%.1f times its throughput"},
	{"a typed message, against a bare encoder with two posting workers", "TypedPath", "ns/op", "BareEncoder", "%.2f of its throughput"},
	{"allocations of a typed message", "TypedPath", "allocs/op", "", "%.0f"},
	{"a record through trigger, mapping, delivery and outcome, against a typed message", "RecordPath", "ns/op", "TypedPath", "%.2f of its throughput"},
	{"allocations of a record", "RecordPath", "allocs/op", "", "%.0f"},
	{"a spool in sync mode, 256 producers, against a bare loop of group commits", "SpoolProducers", "ns/op", "BareGroupCommit", "%.2f of its throughput"},
	{"the same spool, against posthog-go without one", "SpoolProducers", "ns/op", "PeerPosthog", "%.1f times its throughput"},
	{"64 producers, against one", "TypedPathProducers/64", "ns/op", "TypedPathProducers/1", "%.2f of its throughput"},
	{"gzip, against none", "TypedPathGzip", "ns/op", "TypedPath", "%.2f of its throughput"},
	{"bodies with gzip", "TypedPathGzip", "times-smaller", "", "%.1f times smaller"},
	{"a message among 1,000,000, against one among 10,000", "TypedPathMessages/1000000", "ns/message", "TypedPathMessages/10000", "%.2f of its throughput"},
	{"memory of a client whose queue is full", "FullQueue", "times-configured", "", "%.2f of the configured bytes"},
}

func rows(r results) (string, error) {
	var b strings.Builder
	b.WriteString("\n| | |\n|---|---|\n")
	for _, row := range table {
		v, err := r.median(row.name, row.unit)
		if err != nil {
			return "", err
		}
		if row.against != "" {
			if v, err = r.ratio(row.against, row.name, row.unit); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(&b, "| %s | "+row.form+" |\n", row.text, v)
	}
	b.WriteString("\n")
	return b.String(), nil
}
