package droppederror

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"strings"
)

func dropped(w *os.File, resp *http.Response) {
	os.Remove("x")    // want `the error of os.Remove is dropped`
	w.WriteString("") // want `the error of w.WriteString is dropped`
	defer w.Close()   // want `the error of w.Close is dropped`
	go w.Sync()       // want `the error of w.Sync is dropped`

	_ = os.Remove("x") // it may not be there
	//lint:ignore droppederror it may not be there
	os.Remove("x")
	//lint:ignore droppederror
	os.Remove("x") // want `the error of os.Remove is dropped`
	//lint:ignore SA1000 something else
	os.Remove("x") // want `the error of os.Remove is dropped`

	fmt.Fprintln(w, "for people")
	resp.Body.Close()
	var b strings.Builder
	b.WriteString("never fails")
	sha256.New().Write(nil)
	func() {}()
}
