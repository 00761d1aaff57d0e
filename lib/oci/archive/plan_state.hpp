// What an ArchivePlan is made of (private).
#pragma once

#include "cooper/oci/docker_archive.hpp"

#include "oci/archive/member_layout.hpp"

namespace cooper::oci {

struct ArchivePlan::State : MemberLayout::Members {};

}  // namespace cooper::oci
