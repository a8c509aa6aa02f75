// The faults that SOFTVA_FAULTS asks for, and how far they have been counted.
#pragma once

#include "softva/control.h"

#include <cstdint>

namespace zc::softva {

/// The fault was asked for, whenever it comes.
bool fault(Fault which);
/// Counts one occasion; true when it is the one (the N-th) that was asked for.
bool fault_now(Fault which);
/// The device is gone: the N-th occasion of Fault::Lost has been counted.
bool lost();
/// Reads SOFTVA_FAULTS unless faults were set already. False when the text is not understood.
bool init_faults();

/// Adds to one of the process's counts.
void count(std::size_t Counts::* member, int change);

}  // namespace zc::softva
