// libFuzzer target of a saved calibrator: any text gives a function from scores to [0, 1], or a ken::Error.
//   calibration_fuzz -max_len=4096 fuzz/corpus/calibration
#include <cstdint>
#include <cstdlib>

#include "ken/base/error.h"
#include "ken/base/read_json.h"
#include "ken/stats/calibrate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ken::Json json = ken::parse_json({reinterpret_cast<const char*>(data), size});
  if (json.is_discarded()) return 0;
  try {
    const auto calibrator = ken::stats::Calibrator::from_json(json);
    for (const double score : {-1e5, -1.0, 0.0, 1e-300, 0.25, 0.5, 1.0, 7.0, 1e5}) {
      const double confidence = calibrator(score);
      if (!(confidence >= 0 && confidence <= 1)) std::abort();
    }
    ken::stats::Calibrator::from_json(calibrator.to_json());
  } catch (const ken::Error&) {
    return 0;
  }
  return 0;
}
