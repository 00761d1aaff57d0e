#include "exit_code.hpp"

#include "cooper/build/builder.hpp"
#include "cooper/delivery/delta.hpp"
#include "cooper/delivery/gate.hpp"
#include "cooper/delivery/lock.hpp"
#include "cooper/delivery/publish.hpp"

#include <cerrno>

namespace cooper::cli {

int exit_code_of(const Error& error) noexcept {
    if (const auto* system = dynamic_cast<const SystemError*>(&error)) {
        // A file of ours that may not be opened is no refusal by a registry or store: code 7 would send people to their
        // tokens.
        return system->error_number() == ENOSPC || system->error_number() == EDQUOT ? kExitNoSpace : kExitFailure;
    }
    if (dynamic_cast<const delivery::DifferentBytes*>(&error) != nullptr) {
        return kExitDifferentBytes;
    }
    if (dynamic_cast<const delivery::LostRace*>(&error) != nullptr) {
        return kExitLostRace;
    }
    if (dynamic_cast<const delivery::GateSaidNo*>(&error) != nullptr) {
        return kExitGateSaidNo;
    }
    if (dynamic_cast<const delivery::GateBroke*>(&error) != nullptr) {
        return kExitGateBroke;
    }
    if (dynamic_cast<const delivery::UnknownLockVersion*>(&error) != nullptr ||
        dynamic_cast<const delivery::UnknownDeltaVersion*>(&error) != nullptr) {
        return kExitUnknownLock;
    }
    if (dynamic_cast<const delivery::NotReproducible*>(&error) != nullptr) {
        return kExitNotReproducible;
    }
    if (dynamic_cast<const build::BuildFailed*>(&error) != nullptr) {
        return kExitBuildFailed;
    }
    if (const auto* remote = dynamic_cast<const build::RemoteBuildError*>(&error)) {
        return remote->is_failed_step() ? kExitBuildFailed : kExitUnavailable;
    }
    switch (error.code()) {
        case ErrorCode::Integrity:
            return kExitIntegrity;
        case ErrorCode::AccessDenied:
            return kExitAccessDenied;
        case ErrorCode::Unavailable:
            return kExitUnavailable;
        case ErrorCode::InvalidInput:
        case ErrorCode::NotFound:
        case ErrorCode::Conflict:
        case ErrorCode::CommandFailed:
        case ErrorCode::Unsupported:
        case ErrorCode::System:
            break;
    }
    return kExitFailure;
}

}  // namespace cooper::cli
