package dlq

import (
	"math/big"
	"strconv"
)

// share is a share as it was written: the shortest decimal number that the float stands for. 0.56 of 25 is 14, which the float is a little above of.
func share(of float64) *big.Rat {
	exact, _ := new(big.Rat).SetString(strconv.FormatFloat(of, 'g', -1, 64))
	return exact
}

// compareShare is below, at or above 0 as n of so many are less than the share, as many, or more.
func compareShare(n, of int64, share *big.Rat) int {
	part := new(big.Rat).SetInt64(of)
	return new(big.Rat).SetInt64(n).Cmp(part.Mul(part, share))
}
