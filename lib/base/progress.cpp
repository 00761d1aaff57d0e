#include "cooper/base/progress.hpp"

namespace cooper {

Progress& no_progress() {
    static Progress nothing;
    return nothing;
}

}  // namespace cooper
