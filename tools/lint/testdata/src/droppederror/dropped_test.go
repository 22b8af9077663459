package droppederror

import "os"

func inATest() { os.Remove("x") }
