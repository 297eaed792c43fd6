/* The default organism and the report page, as bytes in the program: `ken study` works from any folder. */
    .section .rodata
    .balign 64
    .global ken_embedded_model_begin, ken_embedded_model_end
ken_embedded_model_begin:
    .incbin "models/almanac.gguf"
ken_embedded_model_end:
    .balign 64
    .global ken_embedded_report_begin, ken_embedded_report_end
ken_embedded_report_begin:
    .incbin "web/dist/report.html"
ken_embedded_report_end:
    .section .note.GNU-stack,"",@progbits
