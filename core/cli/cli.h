// What the verbs share: their table, errors and exit status, log, signals, the device.
//
// A verb is one file cmd_NAME.c that defines "const zm_verb zm_verb_NAME"; CMake finds
// the files and main.c gets the list, so nothing else changes for a new verb.
#ifndef ZM_CLI_H
#define ZM_CLI_H

#include "core/cli/options.h"
#include "core/gpu.h"

typedef struct zm_verb {
    const char *name;
    const char *summary; // one line of zmae --help
    // argv[0] is the verb; returns the exit status, usually zm_cli_exit(status).
    int (*run)(int argc, const char *const *argv);
} zm_verb;

// Prints "zmae: error: DETAIL" on stderr where status is an error and returns the exit
// status: zm_status_exit, and 143 instead of 130 when the signal was SIGTERM.
int zm_cli_exit(zm_status status);

// Log to stderr as --quiet and --verbose want it; warnings start with "zmae: warning: ".
zm_log zm_cli_log(const zm_common *common);

// Warns where the name of an output has an extension that promises another format.
//   extensions  that fit, ends with NULL; a name without any fits, too
void zm_cli_check_name(const zm_log *log, const char *path, const char *const *extensions,
                       const char *format);

// The same for a data set, which is safetensors unless it is called *.fits.
void zm_cli_check_dataset_name(const zm_log *log, const char *path);

// From now on SIGINT, SIGTERM and SIGHUP remove the temporary files of unfinished outputs
// and then end the process as they would have anyway (a shell sees 130, 143 or 129). One
// that was ignored stays ignored. A limit on the size of files (ulimit -f) fails the
// write instead of ending the process.
void zm_cli_clean_on_signals(void);

// For verbs that save their state: from now on SIGINT and SIGTERM only ask to stop. A
// second one ends the process as above.
void zm_cli_catch_signals(void);
bool zm_cli_stop_requested(void);

// Opens the device of --device and --threads, with the pipeline cache in
// $XDG_CACHE_HOME/zmae or ~/.cache/zmae.
zm_status zm_cli_open_gpu(const zm_common *common, zm_gpu **out);

// The path of this executable, which decodes compressed FITS in a process of its own;
// NULL where the system does not tell. Valid until the process ends.
const char *zm_cli_helper(void);

#endif
