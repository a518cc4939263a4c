package main

const usage = `sync runs rows of a table, or event payloads, through a destination's mappings and delivers what they give.

Nothing leaves this machine unless -endpoint or -region is given: without them, the messages go to a Tracking API that is part
of this program, listens on loopback only, and keeps Segment's limits.

  sync                                                                          shows it all with a sample warehouse
  sync -sqlite FILE -table NAME -key COLUMN -state FILE -destination FILE [flags]   sends what has changed in a table
  sync -sqlite FILE -query SQL  -key COLUMN -state FILE -destination FILE [flags]   in the rows of a query
  sync -csv FILE                -key COLUMN -state FILE -destination FILE [flags]   in a CSV file with a header line
  sync -events FILE|-|sample [flags]                                            sends event payloads

  -destination FILE   the destination and its mappings, as JSON; an answer of Segment's Public API serves as it is
                      (default with events: a sample)
  -endpoint URL       send to this Tracking API: https, or http on loopback
  -region NAME        send to Segment's own Tracking API of north_america or europe
  -write-key KEY      the Profile Space of mappings without engage_space (needed where -endpoint or -region says where to)
  -rate N             events a second: 0 is the default of 1000, below 0 is without limit
  -adaptive           send slower where the server takes less than -rate; below 0, begin at 1000 and find out how much it takes
  -dry-run            send nothing: print the messages of events, one a line, or what has changed in a model, column by column
  -report FILE        write what was counted, as JSON; of a model it has samples of what failed, which are personal data
  -dead-letter FILE   write what failed, and why, one JSON object a line; it holds personal data
  -spool DIR          keep messages in this directory until they have their outcome; it holds personal data

A model, which is rows with a key, of which a sync sends those that are new, have changed or were deleted since the last one:

  -sqlite FILE        a SQLite database, which is only read
  -table NAME         the rows of a table or view of it
  -query SQL          the rows of a query to it
  -csv FILE           the lines of a CSV; its columns are text, but for
  -types LIST         what they are: spent=number,member=bool,tags=json
  -comma C            what stands between its fields (default: a comma; tab is one)
  -key COLUMN         the column whose value no two rows share
  -state FILE         what was sent of each row; it holds personal data. FILE need not be there before the first sync
  -model NAME         the model's name, which is part of the messageIds (default: the table's, or the file's without its ending)
  -model-id ID        the model's id at Segment, for mappings that have a modelId
  -ignore LIST        columns whose changes do not count: a,b
  -ordered            the rows come in the order of the key, whole numbers by value, text by its bytes: they need not be sorted here
  -limit N            send N rows at most; the next run sends the rest
  -resend             send all rows, changed or not, as new ones
  -reset              forget the state first: all rows are new again
  -allow-empty        a model without rows is meant so: everything is sent as deleted
  -preflight          look for what would keep a sync from changing what it should, and say it; send nothing
  -max-failure-rate R end the sync when more than this share of the rows has failed, from 0 to 1, from the hundredth row on

Events:

  -events FILE|-      event payloads, one JSON object a line of at most 1 MiB; - reads standard input (default where any flag is
                      given: sample, which is a sample)
  -replay FILE        send the messages of a dead-letter file again, under their messageIds, instead of -events; what fails again
                      is written to -dead-letter, another file
  -checkpoint FILE    note how many records are done with, and go on from there when started again with the same -events file

With -state, a row is done with when it was accepted, by each mapping that takes it; one that failed is tried again, in five syncs at
most unless it changes, and one that could not be delivered in every sync. After a kill the next run sends the rest, and what was on its
way under the same messageIds, so that Segment drops repeats. A row that is not there any more is an event "deleted". Beside FILE, with
its name and an ending, are files that belong to it; FILE.target says where the rows were sent: a state is good for that place alone.
The -dead-letter file is appended to where the state was there before; rows in it need no -replay while later syncs try them again.

With -spool, messages outlive a kill or a power cut: the next run with the same directory and endpoint delivers what is left,
also where it has no events. A message of a key that is refused is kept, too, and tried again. The dead letter of a message that
the server refused has its message, but not its line, as it may have been read by a former run.

With -checkpoint, a record is done with when it was accepted, skipped, or has failed for what it holds and is in the -dead-letter
file, if there is one; with -spool also when its messages stay there. The first record that is not is read again, and all behind
it, under the same messageIds, so that Segment drops repeats. Going on from a checkpoint, the -dead-letter file is appended to; what
failed after the checkpoint was written last is in it twice then. Lines that are not JSON count as records, empty lines do not.

The first interrupt (SIGINT, SIGTERM) stops reading, delivers what was read and reports; a second one gives up what is left. With
-spool nothing is given up: what is not delivered within 10 s of the first one, or at the second, stays in the spool. Of a model, the
first interrupt ends the sync when what is on the wire has its answer: the next one sends the rest.

Exit status: 0 where everything was accepted, 1 where sync could not run, ended before a row was sent, or could not write its output or
state, 2 where it ran and records or rows failed, not all were read or sent, or messages are kept in the spool. A -limit that was
reached is 0. A dry run ends with 2 where something could not be sent, a preflight where it has found a problem.
`
