package sleepintest

import (
	"time"
)

func sleeping() {
	time.Sleep(1) // want `time.Sleep in a test`
}
