package seglog

const childEnv = "SEGLOG_TEST_CHILD"

func child() {}
