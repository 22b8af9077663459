// Command page writes docs/logs.md from the code.
package main

import (
	"fmt"
	"os"

	"github.com/redeliver/redeliver/internal/logpage"
)

func main() {
	text, err := logpage.Document(".")
	if err == nil {
		err = os.WriteFile("docs/logs.md", []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}
