// Text for manual pages (man(7) macros).
#ifndef ZM_TROFF_H
#define ZM_TROFF_H

#include <stdio.h>

// Prose: hyphens stay hyphens but where they begin an option; nothing is a request.
void zm_troff_prose(FILE *f, const char *text);

// What a reader may copy: file names, options, commands.
void zm_troff_literal(FILE *f, const char *text);

#endif
