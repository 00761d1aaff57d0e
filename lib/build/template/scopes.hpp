// Which variable a name means. Jinja decides that before anything runs, by rules of its own (idtracking.py and
// compiler.py): every scope has a level and variables of that level; a name that is read before anything sets it is
// looked up once, when the scope begins; a name that some branches of an `if` set keeps the outer value in the others.
#pragma once

#include "build/template/syntax.hpp"

namespace cooper::build::jinja {

/// Fills in slots, scopes, functions and free names. Throws TemplateError.
void bind_names(Unit& unit);

}  // namespace cooper::build::jinja
