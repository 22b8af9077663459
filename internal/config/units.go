package config

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// parseDuration reads a Go duration that may have days: 30s, 1h30m, 7d, 1d12h. 0 needs no unit.
func parseDuration(s string) (time.Duration, error) {
	rest, days := s, time.Duration(0)
	if number, after, found := strings.Cut(s, "d"); found {
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || math.Abs(n) > 36500 || strings.ContainsAny(number, "eExXpP_iIaA") {
			return 0, errors.New("not a duration")
		}
		days, rest = time.Duration(n*float64(day)), after
		if rest == "" {
			return days, nil
		}
		if rest[0] == '-' || rest[0] == '+' {
			return 0, errors.New("not a duration")
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, errors.New("not a duration")
	}
	if days < 0 {
		d = -d
	}
	return days + d, nil
}

// formatDuration writes a duration the way people do, without zero parts: 90s is 1m30s, 24h is 1d.
func formatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d == -1:
		return "-1"
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	case d == time.Minute:
		return "60s"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// parseSize reads a number of bytes with one of the units B, KiB, MiB, GiB, or without one.
func parseSize(s string) (int64, error) {
	number, factor := s, int64(1)
	for _, u := range sizeUnits {
		if before, found := strings.CutSuffix(s, u.name); found {
			number, factor = strings.TrimSpace(before), u.bytes
			break
		}
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok || len(number) > 20 || strings.ContainsAny(number, "eExXpP_/+") {
		return 0, errors.New("not a size")
	}
	r.Mul(r, new(big.Rat).SetInt64(factor))
	if !r.IsInt() || !r.Num().IsInt64() {
		return 0, errors.New("not a size")
	}
	return r.Num().Int64(), nil
}

// formatSize writes a number of bytes in the largest unit that leaves a whole number.
func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n != 0 && n%u.bytes == 0 {
			return fmt.Sprintf("%d%s", n/u.bytes, u.name)
		}
	}
	return "0"
}
