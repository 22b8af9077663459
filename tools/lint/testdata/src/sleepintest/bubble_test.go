package sleepintest

import (
	_ "testing/synctest"
	"time"
)

func sleepingInABubble() { time.Sleep(1) }
