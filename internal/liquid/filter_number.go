package liquid

import (
	"math"
	"strconv"
)

// The filters of arithmetic count in doubles and take what is not a number for 0. An argument that is not given is
// undefined to them, and the result NaN; one that is given and undefined is 0.

// operand returns the argument i as a number.
func (r *run) operand(args []any, i int) float64 {
	if i >= len(args) {
		return math.NaN()
	}
	return r.numberOrZero(args[i])
}

func abs(r *run, v any, _ []any) any   { return math.Abs(r.numberOrZero(v)) }
func ceil(r *run, v any, _ []any) any  { return math.Ceil(r.numberOrZero(v)) }
func floor(r *run, v any, _ []any) any { return math.Floor(r.numberOrZero(v)) }

func plus(r *run, v any, args []any) any  { return r.numberOrZero(v) + r.operand(args, 0) }
func minus(r *run, v any, args []any) any { return r.numberOrZero(v) - r.operand(args, 0) }
func times(r *run, v any, args []any) any { return r.numberOrZero(v) * r.operand(args, 0) }

// dividedBy divides; a second argument other than 0 asks for an integer.
func dividedBy(r *run, v any, args []any) any {
	q := r.numberOrZero(v) / r.operand(args, 0)
	if len(args) > 1 && r.operand(args, 1) != 0 {
		q = math.Floor(q)
	}
	return q
}

// modulo returns the remainder with the sign of the divisor.
func modulo(r *run, v any, args []any) any {
	by := r.operand(args, 0)
	return math.Mod(math.Mod(r.numberOrZero(v), by)+by, by)
}

// atLeast returns the largest of the value and all arguments.
func atLeast(r *run, v any, args []any) any {
	most := r.numberOrZero(v)
	for i := range args {
		most = math.Max(most, r.operand(args, i))
	}
	return most
}

// atMost returns the smallest of the value and all arguments.
func atMost(r *run, v any, args []any) any {
	least := r.numberOrZero(v)
	for i := range args {
		least = math.Min(least, r.operand(args, i))
	}
	return least
}

// round rounds half up, to as many digits after the point as the argument says.
func round(r *run, v any, args []any) any {
	amp := powerOfTen(r.numberOrZero(argOr(args, 0, 0.0)))
	const epsilon = 0x1p-52
	scaled := r.numberOrZero(v) * amp * (1 + epsilon)
	up := math.Ceil(scaled)
	if up-0.5 > scaled {
		up--
	}
	return up / amp
}

// powerOfTen returns V8's Math.pow(10, n). V8 is one unit in the last place off for some n; the nearest of them show in round.
func powerOfTen(n float64) float64 {
	if n != math.Trunc(n) || math.Abs(n) > 400 {
		return math.Pow(10, n)
	}
	f, _ := strconv.ParseFloat("1e"+strconv.Itoa(int(n)), 64)
	switch n {
	case -29, -24, -17, -5, -4, 26:
		return math.Nextafter(f, 0)
	case -23, -21, -20, 29:
		return math.Nextafter(f, math.Inf(1))
	}
	return f
}

// toInteger returns the number that v is; it need not be an integer.
func toInteger(r *run, v any, _ []any) any { return r.number(v) }
