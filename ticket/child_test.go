package ticket_test

const childEnv = "MYNAKIT_TICKET_CHILD"

func child() int { return 0 }
